"""The map as one HTML page that needs nothing else: pan, zoom, hover, search."""

import html
import json

import numpy as np

from alignment.arrays import FloatArray
from alignment.colours import OTHER, family_colours
from alignment.outcome import Alignment

#: How many of the most similar architectures a point names.
NEIGHBOURS = 6


def map_page(outcome: Alignment, points: FloatArray) -> str:
    """The page's text.

    Args:
        outcome: what is shown.
        points: (N, 2), the place of each architecture.
    """
    similarity = outcome.similarity_matrix.copy()
    np.fill_diagonal(similarity, -np.inf)
    # Stable: of equally similar ones those that come first in the catalogue.
    nearest = np.argsort(-similarity, axis=1, kind="stable")[
        :, : min(NEIGHBOURS, len(similarity) - 1)
    ]
    colours = family_colours(outcome.tokenized.families)
    families = list(colours)
    low, high = points.min(0), points.max(0)
    places = (points - low) / max(float((high - low).max()), 1e-12)
    chosen = set(outcome.chosen.tolist())
    data = {
        "families": [{"name": name, "colour": colour} for name, colour in colours.items()],
        "other": OTHER,
        "models": [
            {
                "n": one.name,
                "f": families.index(one.family),
                "x": round(float(places[index, 0]), 4),
                "y": round(float(places[index, 1]), 4),
                "l": len(outcome.tokenized.sequences[index]),
                "p": one.params,
                "c": one.flops,
                "r": int(index in chosen),
                "a": [
                    [int(other), round(float(similarity[index, other]), 3)]
                    for other in nearest[index]
                ],
            }
            for index, one in enumerate(outcome.architectures)
        ],
    }
    payload = json.dumps(data, separators=(",", ":"))
    # In a script element "</script" ends it and "<!--" begins a comment, also inside of strings.
    for letter in "<>&":
        payload = payload.replace(letter, f"\\u{ord(letter):04x}")
    return (
        _PAGE.replace("$TITLE", html.escape(f"{len(outcome.names)} architectures, aligned"))
        .replace("$OPTIONS", html.escape(outcome.options.words()))
        .replace("$DATA", payload)
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$TITLE</title>
<style>
  :root { color-scheme: light; }
  body { margin: 0; font: 14px/1.4 system-ui, sans-serif; color: #222; background: #fff; }
  canvas { position: fixed; inset: 0; width: 100vw; height: 100vh; cursor: grab;
    touch-action: none; }
  canvas.held { cursor: grabbing; }
  #panel { position: fixed; top: 12px; left: 12px; width: 250px; max-height: calc(100vh - 48px);
    overflow-y: auto; background: #ffffffee; border: 1px solid #ddd; border-radius: 8px;
    padding: 10px 12px; }
  h1 { font-size: 15px; margin: 0 0 2px; }
  .small { color: #666; font-size: 12px; }
  #toggle { display: none; float: right; font: inherit; border: 1px solid #bbb; border-radius: 5px;
    background: #fff; padding: 1px 8px; }
  @media (max-width: 700px) {
    #panel { top: 0; left: 0; right: 0; width: auto; max-height: 40vh; border-width: 0 0 1px;
      border-radius: 0; padding: 6px 10px; }
    #toggle { display: block; }
    #panel.folded > :not(h1, #toggle, #search, #found) { display: none; }
    #panel.folded #found:empty { display: none; }
  }
  input { width: 100%; box-sizing: border-box; margin: 8px 0 4px; padding: 5px 7px; font: inherit;
    border: 1px solid #bbb; border-radius: 5px; }
  .family { display: flex; align-items: center; gap: 6px; width: 100%; border: 0; padding: 1px 0;
    background: none; font: inherit; font-size: 13px; cursor: pointer; text-align: left; }
  .family.off { opacity: .3; }
  .dot { width: 10px; height: 10px; border-radius: 50%; flex: none; }
  #tip { position: fixed; pointer-events: none; background: #fff; border: 1px solid #999;
    border-radius: 6px; padding: 6px 9px; font-size: 13px; max-width: 320px; display: none;
    box-shadow: 0 2px 8px #0002; }
  #tip b { font-size: 14px; }
</style>
<canvas id="map" aria-label="Map of architectures; similar ones are near each other"></canvas>
<div id="panel" class="folded">
  <button id="toggle" type="button" aria-expanded="false" aria-controls="panel">more</button>
  <h1>$TITLE</h1>
  <div class="small">$OPTIONS<br>Near is alike (t-SNE). Drag to move, wheel to zoom, double click
    to see all. Rings are representatives.</div>
  <input id="search" type="search" placeholder="search: resnet50" aria-label="Search a name">
  <div id="found" class="small">&nbsp;</div>
  <div id="families"></div>
</div>
<div id="tip"></div>
<script>
"use strict";
const data = $DATA;
const models = data.models, families = data.families;
const canvas = document.getElementById("map"), ink = canvas.getContext("2d");
const tip = document.getElementById("tip"), search = document.getElementById("search");
const found = document.getElementById("found");
const off = new Set();
let view = {x: 0.5, y: 0.5, zoom: 1}, hover = -1, query = "", width = 0, height = 0;

const spread = m => Math.max(...models.map(m));
const midX = spread(m => m.x) / 2, midY = spread(m => m.y) / 2;
// On a narrow screen the panel lies above the map, else beside it.
const panel = document.getElementById("panel"), toggle = document.getElementById("toggle");
const narrow = () => window.matchMedia("(max-width: 700px)").matches;
const beside = () => narrow() ? 0 : 270, above = () => narrow() ? panel.offsetHeight : 0;
toggle.addEventListener("click", () => {
  const folded = panel.classList.toggle("folded");
  toggle.textContent = folded ? "more" : "less";
  toggle.setAttribute("aria-expanded", String(!folded));
  draw();
});
const home = () => { view = {x: midX, y: midY, zoom: 1}; };
const scale = () =>
  0.9 * Math.max(60, Math.min(width - beside() - 20, height - above())) * view.zoom;
const midWidth = () => (width + beside()) / 2, midHeight = () => (height + above()) / 2;
const px = m => midWidth() + (m.x - view.x) * scale();
const py = m => midHeight() - (m.y - view.y) * scale();
const matches = m => query === "" || m.n.toLowerCase().includes(query);

function draw() {
  const ratio = window.devicePixelRatio || 1;
  width = window.innerWidth; height = window.innerHeight;
  canvas.width = width * ratio; canvas.height = height * ratio;
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);
  const radius = Math.min(9, 3.2 * Math.sqrt(Math.max(view.zoom, 1)));
  const names = [];
  for (const pass of [0, 1]) models.forEach((m, i) => {
    if (off.has(m.f)) return;
    const strong = matches(m);
    if (Number(strong) !== pass) return;
    const x = px(m), y = py(m);
    if (x < -20 || y < -20 || x > width + 20 || y > height + 20) return;
    ink.globalAlpha = strong ? 0.9 : 0.12;
    ink.fillStyle = families[m.f].colour;
    ink.beginPath(); ink.arc(x, y, radius, 0, 7); ink.fill();
    if (m.r && strong) {
      ink.strokeStyle = "#000"; ink.lineWidth = 1.2;
      ink.beginPath(); ink.arc(x, y, radius + 2.5, 0, 7); ink.stroke();
    }
    if (strong && (m.r || (query !== "") || view.zoom > 4)) names.push([m, x, y, i]);
  });
  ink.globalAlpha = 1;
  ink.font = "12px system-ui, sans-serif"; ink.fillStyle = "#222";
  const taken = [];
  names.sort((a, b) => b[0].r - a[0].r);
  for (const [m, x, y] of names) {
    const box = [x + radius + 3, y - 7, ink.measureText(m.n).width, 14];
    if (taken.some(t => box[0] < t[0] + t[2] && t[0] < box[0] + box[2]
        && box[1] < t[1] + t[3] && t[1] < box[1] + box[3])) continue;
    taken.push(box);
    ink.lineWidth = 3; ink.strokeStyle = "#fffc";
    ink.strokeText(m.n, box[0], y + 4); ink.fillText(m.n, box[0], y + 4);
  }
  if (hover >= 0) {
    const m = models[hover];
    ink.strokeStyle = "#0008"; ink.lineWidth = 1;
    for (const [other] of m.a) {
      ink.beginPath(); ink.moveTo(px(m), py(m));
      ink.lineTo(px(models[other]), py(models[other])); ink.stroke();
    }
    ink.strokeStyle = "#000"; ink.lineWidth = 2;
    ink.beginPath(); ink.arc(px(m), py(m), radius + 2, 0, 7); ink.stroke();
  }
}

function nearest(x, y) {
  let best = -1, least = 144;
  models.forEach((m, i) => {
    if (off.has(m.f) || !matches(m)) return;
    const d = (px(m) - x) ** 2 + (py(m) - y) ** 2;
    if (d < least) { least = d; best = i; }
  });
  return best;
}

const line = (parent, text, tag) => {
  const e = document.createElement(tag || "div"); e.textContent = text; parent.append(e);
};
function showTip(x, y) {
  tip.style.display = hover < 0 ? "none" : "block";
  if (hover < 0) return;
  const m = models[hover];
  tip.replaceChildren();
  line(tip, m.n, "b");
  line(tip, families[m.f].name + ", " + m.l + " tokens");
  line(tip, (m.p / 1e6).toFixed(1) + " M parameters, " + (m.c / 1e9).toFixed(2)
    + " G multiply-adds");
  for (const [other, s] of m.a) line(tip, s.toFixed(3) + "  " + models[other].n);
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.min(x + 14, width - box.width - 8) + "px";
  tip.style.top = Math.min(y + 14, height - box.height - 8) + "px";
}

const held = new Map();
canvas.addEventListener("pointerdown", e => {
  held.set(e.pointerId, e); canvas.setPointerCapture(e.pointerId); canvas.classList.add("held");
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, e => {
  held.delete(e.pointerId); if (!held.size) canvas.classList.remove("held");
});
canvas.addEventListener("pointermove", e => {
  const before = held.get(e.pointerId);
  if (before) {
    const others = [...held.values()].filter(o => o.pointerId !== e.pointerId);
    if (others.length) {
      const o = others[0];
      const was = Math.hypot(before.clientX - o.clientX, before.clientY - o.clientY);
      const is = Math.hypot(e.clientX - o.clientX, e.clientY - o.clientY);
      zoomAt(o.clientX, o.clientY, is / Math.max(was, 1));
    } else {
      view.x -= (e.clientX - before.clientX) / scale();
      view.y += (e.clientY - before.clientY) / scale();
    }
    held.set(e.pointerId, e);
    hover = -1;
  } else hover = nearest(e.clientX, e.clientY);
  draw(); showTip(e.clientX, e.clientY);
});
canvas.addEventListener("pointerleave", () => { hover = -1; draw(); showTip(0, 0); });
function zoomAt(x, y, factor) {
  const zoom = Math.min(60, Math.max(0.5, view.zoom * factor));
  const dx = x - midWidth(), dy = y - midHeight();
  const before = scale(); view.zoom = zoom; const after = scale();
  view.x += dx / before - dx / after;
  view.y -= dy / before - dy / after;
}
canvas.addEventListener("wheel", e => {
  e.preventDefault(); zoomAt(e.clientX, e.clientY, Math.exp(-e.deltaY / 400)); draw();
}, {passive: false});
canvas.addEventListener("dblclick", () => { home(); draw(); });
search.addEventListener("input", () => {
  query = search.value.trim().toLowerCase();
  const hits = models.filter(matches);
  found.textContent = query === "" ? "\\u00a0" : hits.length + " found";
  draw();
});
search.addEventListener("keydown", e => {
  if (e.key !== "Enter") return;
  const hit = models.findIndex(m => m.n.toLowerCase() === query);
  const index = hit >= 0 ? hit : models.findIndex(matches);
  if (index < 0) return;
  view = {x: models[index].x, y: models[index].y, zoom: Math.max(view.zoom, 6)};
  hover = index; draw(); showTip(px(models[index]), py(models[index]));
});
const list = document.getElementById("families");
families.map((f, i) => [f, i, models.filter(m => m.f === i).length])
  .sort((a, b) => b[2] - a[2]).forEach(([f, i, count]) => {
    const row = document.createElement("button"); row.className = "family"; row.type = "button";
    row.title = "show or hide";
    const dot = document.createElement("span"); dot.className = "dot";
    dot.style.background = f.colour; row.append(dot);
    line(row, f.name + " (" + count + ")", "span");
    row.addEventListener("click", () => {
      off.has(i) ? off.delete(i) : off.add(i);
      row.classList.toggle("off"); draw();
    });
    list.append(row);
  });
window.addEventListener("resize", draw);
home(); draw();
</script>
</html>
"""
