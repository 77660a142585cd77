"use strict";
// Without this the page is whole; with it tables sort, filter and have pages.
const long = 25;
for (const table of document.querySelectorAll("table.data")) {
  const rows = table.tBodies[0].rows.length;
  const made = new DataTable(table, {
    autoWidth: false,
    info: rows > long,
    layout: { topStart: rows > 3 ? "search" : null, topEnd: null, bottomStart: "info", bottomEnd: rows > long ? "paging" : null },
    language: { search: "Filter", emptyTable: "no rows", zeroRecords: "no row has this" },
    order: [],
    pageLength: long,
    paging: rows > long,
    searching: rows > 3,
  });
  if (rows > long) {
    // The buttons of each table are a place of their own to go to.
    const place = table.closest(".table");
    const names = `${place.closest("section").getAttribute("aria-labelledby")} ${place.id}-title`;
    for (const nav of place.querySelectorAll("nav")) nav.setAttribute("aria-labelledby", names);
    addEventListener("beforeprint", () => made.page.len(-1).draw());
    addEventListener("afterprint", () => made.page.len(long).draw());
  }
}
