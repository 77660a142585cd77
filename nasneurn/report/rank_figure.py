"""The critical-difference diagram of average ranks."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from nasneurn.analysis.ranks import Ranking


def draw_ranks(ranking: Ranking, colours: Mapping[str, Any]) -> Figure:
    """Average ranks on a line, and bars over those that do not differ critically."""
    names, values = list(ranking.ranks.index), ranking.ranks.to_numpy()
    groups, count = ranking.alike, len(ranking.ranks)
    height = 0.5 + 0.28 * len(groups)
    figure = Figure(figsize=(7, 1.6 + 0.3 * count), layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    axis.set_xlim(count + 1.4, -0.4)  # the best to the right
    axis.hlines(0, 1, count, color="black", lw=1)
    for tick in range(1, count + 1):
        axis.vlines(tick, 0, -0.12, color="black", lw=1)
        axis.text(tick, -0.2, "1 (best)" if tick == 1 else str(tick), ha="center", va="bottom")
    half = (count + 1) // 2
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        right = place < half
        row = place if right else count - 1 - place
        y, end = height + 0.45 * row, 0.6 if right else count + 0.4
        axis.plot([float(value), float(value), end], [0, y, y], color=colours[name], lw=1.5)
        label = f" {name} ({value:.2f}) "
        axis.text(end, y, label, ha="left" if right else "right", va="center")
    for place, group in enumerate(groups):
        ends = [float(ranking.ranks[name]) for name in (group[0], group[-1])]
        axis.plot(ends, [0.3 + 0.28 * place] * 2, color="black", lw=4, solid_capstyle="butt")
    critical = ranking.critical_difference or 0.0
    axis.plot([float(count), count - critical], [-0.75] * 2, color="black", lw=1.5, marker="|")
    axis.text(count - critical / 2, -0.85, f"critical difference {critical:.2f}", ha="center")
    axis.set_ylim(height + 0.45 * half, -1.3)
    p = "" if ranking.p is None else f", Friedman p = {ranking.p:.2g}"
    axis.set_title(f"Average rank over {ranking.cells} cells (1 is best){p}")
    return figure
