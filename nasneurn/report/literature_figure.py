"""Single-source digits: the methods measured here among those of the literature."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nasneurn.analysis.literature import COMPARED, HERE

#: Of all marks: black belongs to no stem.
INK = "black"


def draw_literature(table: pd.DataFrame) -> Figure:
    """The mean over targets of each method, the best on top, with its spread over seeds.

    Args:
        table: that of :func:`nasneurn.analysis.literature.beside_literature`.
    """
    own = (table["by"] == HERE).to_numpy()
    # What is in brackets are settings, and options have no space after their commas.
    stems = table["method"].str.partition(" (")[0].str.contains(", ", regex=False).to_numpy()
    # No colour: in other figures each is of a stem, and grey of the control.
    groups = [
        (~own, "white", "as published", "s"),
        (own & ~stems, "white", "measured here", "o"),
        (own & stems, INK, "measured here, with a stem", "o"),
    ]
    figure = Figure(figsize=(7.5, 1.6 + 0.24 * len(table)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(table))
    for chosen, inside, label, shape in groups:
        if chosen.any():
            axis.errorbar(
                table["mean"][chosen],
                places[chosen],
                xerr=table["std"][chosen].fillna(0),
                fmt=shape,
                ms=5.5,
                c=INK,
                mfc=inside,
                label=label,
            )
    twice = set(table["method"][table["method"].duplicated()])
    names = [
        f"{method}, in {by.partition(',')[0]}" if method in twice else method
        for method, by in zip(table["method"], table["by"], strict=True)
    ]
    axis.set_yticks(places, names)
    for text, mine in zip(axis.get_yticklabels(), own, strict=True):
        text.set_color("black" if mine else "0.45")
    axis.set_ylim(-0.7, len(table) - 0.3)
    seeds = table["seeds"].dropna()
    counts = f"{seeds.min()} to {seeds.max()}" if seeds.min() < seeds.max() else f"{seeds.max()}"
    spread = "one seed" if seeds.max() == 1 else f"bars: deviation over {counts} seeds"
    axis.set_xlabel(f"mean accuracy on {', '.join(COMPARED)} (%)")
    figure.suptitle(f"Trained on 10,000 digits of MNIST; {spread}", fontsize=11)
    axis.legend(loc="lower right")
    return figure
