"""The mean accuracy of each stem, as a small table and in any axes."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alignment.drawing import size_of
from nasneurn.analysis.cells import cross_domain, levels, mean_over, same_domain
from nasneurn.report.captions import notes_of
from nasneurn.report.style import level_colours


def stem_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy of each stem: ``other`` domains than its source, and its ``own``."""
    found = pd.DataFrame(
        {
            "other": pd.Series(mean_over(cross_domain(rows), ["stem"]), dtype=float),
            "own": pd.Series(mean_over(same_domain(rows), ["stem"]), dtype=float),
        }
    )
    return found.reindex(levels(rows, "stem", "none"))


def draw_stem_means(rows: pd.DataFrame, axis: Axes | None = None) -> Axes:
    """A bar for each stem: its accuracy on other domains; a mark for its own domain.

    What must be known of the rows stands above: the selection, and trainings near chance.
    """
    if axis is None:
        axis = Figure(figsize=(5, 3), layout="constrained").subplots()
    means = 100 * stem_means(rows)
    colours = level_colours([str(stem) for stem in means.index])
    places = list(range(len(means)))
    axis.barh(places, means["other"], color=[colours[str(stem)] for stem in means.index])
    axis.plot(means["own"], places, "k|", markersize=14, label="own domain")
    axis.set_yticks(places, [str(stem) for stem in means.index])
    axis.invert_yaxis()
    axis.set_xlabel("accuracy on other domains (%)")
    axis.legend()
    if told := notes_of(rows, size_of(axis)[0]):
        axis.set_title("\n".join(told), fontsize=9)
    return axis
