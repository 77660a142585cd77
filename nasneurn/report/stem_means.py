"""The mean accuracy of each stem, as a small table and in any axes."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alignment.drawing import size_of
from nasneurn.analysis.cells import cross_domain, designs, levels, mean_over, same_domain, split
from nasneurn.report.captions import notes_of
from nasneurn.report.style import level_colours


def stem_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy of each stem: ``other`` domains than its source, and its ``own``.

    What else differs (algorithm, placement, weights) is not averaged over: each such setting has
    rows of its own, and is in the index before the stem.
    """
    parts = split(designs(rows))
    names = list(parts[0][0])
    if not names:
        return _means(parts[0][1])
    seen = {name: list(dict.fromkeys(own[name] for own, _ in parts)) for name in names}
    parts.sort(key=lambda part: [seen[name].index(part[0][name]) for name in names])
    means = {tuple(own.values()): _means(part) for own, part in parts}
    return pd.concat(means, names=[*names, "stem"])


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    found = pd.DataFrame(
        {
            "other": pd.Series(mean_over(cross_domain(rows), ["stem"]), dtype=float),
            "own": pd.Series(mean_over(same_domain(rows), ["stem"]), dtype=float),
        }
    )
    return found.reindex(levels(rows, "stem", "none")).rename_axis("stem")


def draw_stem_means(rows: pd.DataFrame, axis: Axes | None = None) -> Axes:
    """A bar for each row of :func:`stem_means`: accuracy on other domains; a mark for the own one.

    What must be known of the rows stands above: the selection, and trainings near chance.
    """
    means = 100 * stem_means(rows)
    if axis is None:
        size = (5, max(3, 1.2 + 0.25 * len(means)))
        axis = Figure(figsize=size, layout="constrained").subplots()
    stems = [str(stem) for stem in means.index.get_level_values("stem")]
    colours = level_colours(list(dict.fromkeys(stems)))
    places = list(range(len(means)))
    axis.barh(places, means["other"], color=[colours[stem] for stem in stems])
    axis.plot(means["own"], places, "k|", markersize=14, label="own domain")
    axis.set_yticks(places, [label_of(row) for row in means.index])
    axis.invert_yaxis()
    axis.set_xlabel("accuracy on other domains (%)")
    axis.legend()
    if told := notes_of(rows, size_of(axis)[0]):
        axis.set_title("\n".join(told), fontsize=9)
    return axis


def label_of(row: str | tuple[str, ...]) -> str:
    """A row of :func:`stem_means` in words: its stem, after what it is with."""
    return row if isinstance(row, str) else ", ".join(row)
