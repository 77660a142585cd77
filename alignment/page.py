"""The map as one HTML page that needs nothing else: pan, zoom, hover, search."""

import html
import json
from importlib.resources import files

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
        _template()
        .replace("$TITLE", html.escape(f"{len(outcome.names)} architectures, aligned"))
        .replace("$OPTIONS", html.escape(outcome.options.words()))
        .replace("$DATA", payload)
    )


def _template() -> str:
    return files("alignment").joinpath("data", "map.html").read_text(encoding="utf-8")
