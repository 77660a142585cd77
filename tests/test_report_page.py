"""The report: one file without network that holds all of a study's tables and figures."""

import base64
import csv
import io
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pandas as pd
import pytest
from browsing import chromium, opened, serious_faults
from grid_rows import grid_rows
from in_process import refusal

from nasneurn.questions import report
from nasneurn.report import style
from nasneurn.report.content import Content, ShownFigure, ShownTable
from nasneurn.report.headline import headline
from nasneurn.report.latex_tables import escape_latex
from nasneurn.report.page import anchor, escape_markdown, rendered
from nasneurn.report.tables import ReportTable, tables
from nasneurn.studies.folder import Study

ROOT = Path(__file__).parents[1]
BENCH, SEARCH = ROOT / "results" / "bench-digits", ROOT / "results" / "search-digits" / "spos"
NASTY = '<b>$x_1</b> [/nope] a|b & "c" \'</script><script>alert(1)</script>'

#: A phone, a tablet, a desk; width and height in pixels.
SCREENS = ((390, 844, "light"), (820, 1180, "dark"), (1400, 900, "light"))
WHITE = ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")

#: Elements that have no end.
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """A page read strictly: each element ends, and in the right order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.cells: dict[str, list[list[str]]] = {}
        self.words: list[str] = []
        self._table = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._table = str(dict(attrs)["aria-describedby"]).removesuffix("-caption")
            self.cells[self._table] = []
        if tag == "tr":
            self.cells[self._table].append([])
        if tag in ("td", "th"):
            self.cells[self._table][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[self._table][-1][-1] += data
        elif self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def lines_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def same(cell: str) -> object:
    """What a cell says: zeros at the end of a number say nothing."""
    return float(cell) if re.fullmatch(r"-?\d+\.\d+", cell) else cell


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both results of the project in one page; figures with few dots."""
    patch = pytest.MonkeyPatch()
    patch.setattr(style, "DPI", 20)
    path, contents = report([BENCH, SEARCH], out=tmp_path_factory.mktemp("page") / "report.html")
    patch.undo()
    text = path.read_text(encoding="utf-8")
    return {"path": path, "text": text, "page": Page(text), "contents": contents}


def test_the_page_needs_nothing_else(pages: dict[str, Any]) -> None:
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]*)""", pages["text"])
    addresses += re.findall(r"url\(([^)]*)\)", pages["text"])
    assert addresses
    outside = [one for one in addresses if not one.startswith(("data:", "#"))]
    # What the bundled script builds at run time has no scheme either.
    assert not [one for one in outside if "//" in one], outside
    assert not [one for one in pages["page"].all("script") if "src" in one]
    assert "default-src 'none'" in pages["text"]


def test_headings_are_in_order_and_parts_can_be_reached(pages: dict[str, Any]) -> None:
    page = pages["page"]
    levels = [int(tag[1]) for tag, _ in page.found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    names = [one["id"] for _, one in page.found if "id" in one]
    assert len(set(names)) == len(names)
    assert {str(one["href"])[1:] for one in page.all("a") if str(one["href"])[0] == "#"} <= {*names}
    told = [word for _, one in page.found for key in ("aria-labelledby", "aria-describedby")
            for word in str(one.get(key) or "").split()]  # fmt: skip
    assert set(told) <= set(names)


def test_pictures_have_texts_and_headings_of_tables_a_scope(pages: dict[str, Any]) -> None:
    page = pages["page"]
    assert all(len(str(one["alt"])) > 20 for one in page.all("img"))
    assert page.all("th")
    assert all(one["scope"] == "col" for one in page.all("th"))


@pytest.mark.parametrize(("number", "folder"), [(1, BENCH), (2, SEARCH)])
def test_every_table_and_figure_of_the_folder_is_there(
    number: int, folder: Path, pages: dict[str, Any]
) -> None:
    page = pages["page"]
    for path in (folder / "tables").glob("*.csv"):
        if path.stem != "captions":
            heading, *rows = lines_of(path)
            shown = page.cells[f"study-{number}-table-{anchor(path.stem)}"]
            assert shown[0] == [name.replace("_", " ") for name in heading], path
            assert len(shown) == len(rows) + 1
            for cells, row in zip(shown[1:], rows, strict=True):
                assert list(map(same, cells)) == list(map(same, row)), path
    figures = {one["id"] for one in page.all("figure")}
    drawn = {
        f"study-{number}-figure-{anchor(path.stem)}" for path in (folder / "figures").glob("*.png")
    }
    assert drawn
    assert drawn <= figures


def test_all_rows_can_be_downloaded_as_they_are(pages: dict[str, Any]) -> None:
    links = [one for one in pages["page"].all("a") if one.get("download") == "accuracy.csv"]
    texts = [base64.b64decode(str(one["href"]).partition(",")[2]).decode() for one in links]
    for folder in (BENCH, SEARCH):
        rows = pd.read_csv(folder / "accuracy.csv")
        read = [pd.read_csv(io.StringIO(text)) for text in texts]
        assert any(set(rows) <= set(one) and rows.equals(one[list(rows)]) for one in read)


def test_the_headline_says_what_the_table_says(pages: dict[str, Any]) -> None:
    heading, *rows = lines_of(BENCH / "tables" / "overall.csv")
    told = " ".join(pages["contents"][0].headline)
    for line in rows:
        row = dict(zip(heading, line, strict=True))
        assert f"{row['stem']}: {float(row['mean']):.1f}% right" in told
        assert f"p = {float(row['p_holm']):.2g} (after Holm's correction over 2" in told
    assert "a clear gain" in told
    assert "no clear difference" in told


def test_what_was_run_is_there(pages: dict[str, Any]) -> None:
    facts = pages["contents"][0].facts
    assert facts["commit"] == "282895aa3c4c"
    assert facts["device"] == "cpu"
    assert facts["seeds"] == "0, 1"
    assert facts["trainings"] == "24"
    assert pages["contents"][0].missing == []


# ---------------------------------------------------------------- what may be in a study


def content(**fields: Any) -> Content:
    table = ReportTable(f"About {NASTY}.", pd.DataFrame({"stem": [NASTY], NASTY: [0.5]}))
    usual: dict[str, Any] = {
        "name": NASTY, "suite": "digits", "headline": [f"{NASTY} wins"], "missing": [],
        "facts": {NASTY: NASTY}, "configuration": NASTY,
        "tables": [ShownTable(NASTY, table, "a.csv")],
        "figures": [ShownFigure(NASTY, f"Shows {NASTY}.", NASTY, b"png")],
    }  # fmt: skip
    return Content(**{**usual, **fields})


def test_names_are_text() -> None:
    text = rendered([content()])
    page = Page(text)
    assert len(page.all("script")) == 2
    assert not page.all("b")
    assert page.cells[f"study-1-table-{anchor(NASTY)}"][1] == [NASTY, "0.5"]
    assert NASTY in "".join(page.words)
    markdown = rendered([content()], "md")
    assert "<b>" not in re.sub(r"\\.", "", markdown)
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    bars = [re.sub(r"\\.", "", line).count("|") for line in rows]
    assert bars[-3:] == [3, 3, 3]
    tex = re.sub("(?m)^%.*$", "", rendered([content()], "tex"))
    assert "$x" not in tex.replace(r"\$", "")
    assert "<" not in tex
    assert escape_latex("a_b") in escape_latex(NASTY + "a_b")
    assert escape_markdown("a\nb") == "a b"


def test_numbers_of_a_column_have_the_same_digits_and_the_download_is_as_it_was() -> None:
    frame = pd.DataFrame({
        "mean": [23.2, 20.64, float("nan")], "p_holm": [0.5, 0.031, 1e-9],
        "whole": [0.123456, 1.5, 2.0], "n": [1, 10, 2], "name": ["1.50", "2.5", "3"],
    })  # fmt: skip
    table = ShownTable("t", ReportTable("About.", frame), "t.csv")
    assert table.lines[1:] == [
        ["23.20", "0.5", "0.123456", "1", "1.50"],
        ["20.64", "0.031", "1.5", "10", "2.5"],
        ["", "1e-09", "2.0", "2", "3"],
    ]
    page = Page(rendered([content(tables=[table])]))
    assert page.cells["study-1-table-t"][1:] == table.lines[1:]
    (link,) = [one for one in page.all("a") if one.get("download") == "t.csv"]
    text = base64.b64decode(str(link["href"]).partition(",")[2]).decode()
    assert text == frame.to_csv(index=False)


def test_few_rows_are_counted_rightly_and_none_are_a_sentence() -> None:
    for count, told in ((0, "0 rows"), (1, "1 row"), (2, "2 rows")):
        frame = pd.DataFrame({"stem": ["none"] * count})
        shown = [ShownTable("t", ReportTable("About.", frame), "t.csv")]
        page = Page(rendered([content(tables=shown)]))
        words = "".join(page.words)
        assert re.search(rf", {told}$", words, re.MULTILINE)
        for text in (words, *(rendered([content(tables=shown)], kind) for kind in ("md", "tex"))):
            assert ("There is no row in it." in text) == (count == 0)
        assert len(page.all("table")) == min(count, 1)
    markdown = rendered([content(tables=shown)], "md")
    assert "About.\n\n| stem |" in markdown


def test_no_path_of_the_sender_is_in_a_heading(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name in ("a", "b"):
        shutil.copytree(BENCH, folder / name / "bench", ignore=shutil.ignore_patterns("figures"))
    report([folder / "a" / "bench"], out=tmp_path / "r.md", format="md")
    assert (tmp_path / "r.md").read_text().startswith("# bench\n")
    path, _ = report([folder / one / "bench" for one in "ab"], out=tmp_path / "r.md", format="md")
    headings = [line for line in path.read_text().splitlines() if line.startswith(("# ", "## "))]
    assert headings == ["# a/bench, b/bench", "## a/bench", "## b/bench"]


def test_headings_and_links_of_the_page_name_folders_alone() -> None:
    page = Page(rendered([content(name=f"/home/someone/{name}/vgg19", facts={}) for name in "ab"]))
    assert "someone" not in "".join(page.words)
    assert {"a/vgg19", "b/vgg19"} <= {word.strip() for word in page.words}


def test_a_card_without_a_suite_ends_with_its_name() -> None:
    text = rendered([content(suite="", name="align"), content(name="vgg19")])
    assert "<strong>align</strong></a></p>" in text
    assert "<strong>vgg19</strong></a>, suite digits</p>" in text


def test_other_formats_hold_the_same_numbers(tmp_path: Path) -> None:
    path, contents = report(BENCH, out=tmp_path / "r.md", format="md")
    markdown = path.read_text()
    for table in contents[0].tables:
        for line in table.lines[1:]:
            assert f"| {' | '.join(escape_markdown(cell) for cell in line)} |" in markdown
    assert all(escape_markdown(line) in markdown for line in contents[0].headline)
    tex = rendered(contents, "tex")
    assert tex.count(r"\toprule") == len(contents[0].tables)
    assert all(escape_latex(line) in tex for line in contents[0].headline)


def test_studies_of_different_suites_are_told() -> None:
    told = "These studies are of different suites"
    for format in ("html", "md", "tex"):
        assert told in rendered([content(), content(suite="builtin")], format)
        assert told not in rendered([content(), content()], format)
    page = Page(rendered([content(), content(suite="builtin", name="other")]))
    assert len(page.all("article")) == 2


def test_an_unfinished_study_is_marked_with_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "part"
    shutil.copytree(BENCH, folder, ignore=shutil.ignore_patterns("figures", "accuracy*"))
    store = folder / "store" / "rows.jsonl"
    store.write_text("".join(store.read_text().splitlines(keepends=True)[:-3]))
    path, (shown,) = report(folder, format="md")
    assert path == folder / "report.md"
    text = path.read_text()
    assert "**Not finished: 3 of 24" in text
    assert "3 of 24 are not done: digits_convnet, " in shown.missing[0]
    assert shown.facts["trainings"] == "21"
    assert {path.name for path in folder.iterdir()} >= {"report.md", "config.yaml"}
    store.write_text("")
    _, (nothing,) = report(folder, format="html")
    assert nothing.headline == ["No training is finished yet."]
    assert "24 of 24 are not done" in nothing.missing[0]


def test_code_that_a_study_names_is_not_imported_unasked(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(BENCH, folder)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("instance_norm", "no.such.module:Stem"))
    _, (shown,) = report(folder, format="md")
    assert shown.missing[0].startswith("Perhaps not finished")
    assert "no.such.module:Stem" in shown.missing[0]
    assert shown.facts["trainings"] == "24"
    Study(folder).store.fail("0" * 16, "a reason", "", {"title": "another"})
    _, (shown,) = report(folder, format="md")
    assert shown.missing[0] == "Not complete: 1 failed."


def test_a_single_training_says_so() -> None:
    rows = grid_rows(("net",), ("none",), seeds=1, sources=("mnist",))
    told = " ".join(headline(rows, tables(rows)))
    assert "this is a single training" in told
    assert "one seed" in told


def test_one_seed_says_so_and_guessing_too() -> None:
    rows = grid_rows(("net",), ("none", "neurn"), seeds=1, sources=("mnist",))
    assert "too little was trained for an interval" in headline(rows, tables(rows))[0]
    rows = rows.assign(accuracy=0.1)
    assert headline(rows, tables(rows))[-1].startswith("Caution, near chance on their own source")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{tmp}"], "holds no study"),
        ([str(BENCH), "{tmp}/none"], "none does not exist; name the folder of a study"),
        ([str(BENCH / "config.yaml")], "config.yaml is a file; name the folder of a study"),
        ([str(BENCH), "--format", "pdf"], "format is 'pdf', must be one of html, md, tex"),
        ([str(BENCH), "--format", "md", "--out", "{tmp}"], "Is a directory"),
        (
            [str(BENCH), "--out", "{tmp}/config.yaml"],
            "config.yaml; the name of a report in html ends in .html",
        ),
    ],
)
def test_what_cannot_be_reported_is_told_in_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    given = [word.replace("{tmp}", str(tmp_path)) for word in arguments]
    assert told in refusal(monkeypatch, capfd, "report", *given)


def test_templates_and_the_licence_are_in_the_wheel(tmp_path: Path) -> None:
    builder = pytest.importorskip("hatchling.builders.wheel")
    (built,) = builder.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(ZipFile(built).namelist())
    folder = ROOT / "nasneurn" / "report" / "templates"
    assert {f"nasneurn/report/templates/{path.name}" for path in folder.iterdir()} <= names


# ---------------------------------------------------------------- in a browser


@pytest.mark.slow
def test_tables_sort_and_filter_in_a_browser(pages: dict[str, Any]) -> None:
    with chromium() as browser:
        page, wrong = opened(browser, pages["path"], 390, 800)
        table = page.locator("#study-1-table-accuracy")
        column = "tbody tr td:nth-child(3)"
        heading = table.locator("th", has_text="none")
        for way, backwards in (("ascending", False), ("descending", True)):
            heading.click()
            page.wait_for_function(  # sorted in a moment, on a busy machine in more
                "way => document.querySelector(`#study-1-table-accuracy th[aria-sort=${way}]`)",
                arg=way,
            )
            numbers = [float(text) for text in table.locator(column).all_inner_texts()]
            assert numbers == sorted(numbers, reverse=backwards)
        table.locator("input").fill("svhn")
        page.wait_for_function(
            "document.querySelectorAll('#study-1-table-accuracy tbody tr').length === 7"
        )
    assert wrong == []


@pytest.mark.slow
def test_screens_of_any_width_light_or_dark_keep_no_one_out(pages: dict[str, Any]) -> None:
    with chromium() as browser:
        for width, height, scheme in SCREENS:
            page, wrong = opened(browser, pages["path"], width, height, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if width < 1000:  # what axe looks at is the same for all widths but for the smallest
                assert serious_faults(page) == []
            assert wrong == []
            page.close()


@pytest.mark.slow
def test_on_paper_nothing_is_cut_or_hidden(pages: dict[str, Any]) -> None:
    with chromium() as browser:
        page, _ = opened(browser, pages["path"], 1000, 800)
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") in WHITE
        controls = page.locator("nav, .dt-search, .dt-paging, .download, details")
        assert not any(one.is_visible() for one in controls.all())
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        rows = len(pd.read_csv(BENCH / "accuracy.csv"))
        assert page.locator("#study-1 table[data-name=rows] tbody tr").count() == rows


@pytest.mark.slow
def test_printed_without_being_scrolled_it_has_all_figures(pages: dict[str, Any]) -> None:
    with chromium() as browser:
        page, _ = opened(browser, pages["path"], 1000, 800)
        printed = page.pdf()
        widths = page.evaluate("[...document.images].map(one => one.naturalWidth)")
    assert len(widths) == len(pages["page"].all("img")) > 5
    assert min(widths) > 0
    assert printed.count(b"/Subtype /Image") >= len(widths)
