"""Options of ``nasneurn align``: their help, and how numbers and shapes are read."""

import math
import re
from typing import Annotated

import typer

from nasneurn.errors import InputError

Models = Annotated[
    list[str] | None,
    typer.Option(
        help="all (the 44 of the paper), keras, timm, a name of these, a pattern such as 'vgg1?', "
        "a .txt file of names, keras:NAME, a saved Keras model, module:Name of your own, or "
        "architecture.json#NAME that a search found; commas between, or repeated."
    ),
]
Pair = Annotated[tuple[str, str] | None, typer.Option(help="Show two architectures side by side.")]
Preset = Annotated[
    str | None,
    typer.Option(
        help="paper (what the paper's figure shows) or recommended; options below override it."
    ),
]
Scheme = Annotated[
    str | None,
    typer.Option(
        help="What a token is: layer, geometry, block, library (the layers as Keras or PyTorch "
        "list them) or published (of these, what the paper's figure counts)."
    ),
]
Match = Annotated[
    int | None, typer.Option(help="Score of two equal tokens; scores are whole numbers.")
]
Mismatch = Annotated[int | None, typer.Option(help="Score of two different tokens.")]
Partial = Annotated[
    int | None,
    typer.Option(help="Score of one kind with another geometry; in schemes that name it."),
]
Gap = Annotated[int | None, typer.Option(help="Score of a gap's first token, 0 or below.")]
GapExtend = Annotated[
    int | None, typer.Option(help="Score of its further tokens; with --gap alone, the same.")
]
Borders = Annotated[
    str | None,
    typer.Option(help="Gaps at the beginning: classic (they cost as others do) or zero (free)."),
]
Normalize = Annotated[
    str | None,
    typer.Option(
        "--normalize",
        help="How scores are normalized: range (worst to best), or by a self-score: longer, "
        "shorter, mean or geometric.",
    ),
]
Similarity = Annotated[
    str | None,
    typer.Option(
        help="normalized (the score), correlation (of the rows of all scores) or corrected (the "
        "score beside those of the same tokens shuffled)."
    ),
]
Branches = Annotated[
    str | None,
    typer.Option(
        help="Order of parallel branches: execution (as the code runs them) or canonical (as the "
        "graph alone says)."
    ),
]
Order = Annotated[
    str | None,
    typer.Option(
        help="Order of the heatmap: published (the figure's, else as named) or clustered."
    ),
]
Representatives = Annotated[int | None, typer.Option(help="How many representatives to choose.")]
Clustering = Annotated[
    str | None, typer.Option(help="How architectures are grouped: medoids or hierarchical.")
]
Prefer = Annotated[
    str | None,
    typer.Option(help="What represents a group: medoid, or cheap, the cheapest --within of it."),
]
Within = Annotated[
    float | None,
    typer.Option(help="How far from its medoid a cheap one may be: a distance from 0 to 2."),
]
MaxParams = Annotated[
    str | None,
    typer.Option(help="Most parameters of a representative, as 5M."),
]
MaxFlops = Annotated[
    str | None,
    typer.Option(help="Most multiply-adds of a representative, as 300M."),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        help="Images for networks of your own and Keras models: height,width or "
        "channels,height,width."
    ),
]
Compare = Annotated[
    str | None,
    typer.Option(
        help="Measure how near the similarities come to others: published (the paper's figure), or "
        "a CSV file with the form of similarity.csv."
    ),
]

Shuffles = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=100_000,  # alignment.nulls.MOST_SHUFFLES, whose module takes long to import
        help="Also score every pair with its tokens shuffled so many times: z and p in null.csv.",
    ),
]
TreeSupport = Annotated[
    bool,
    typer.Option("--support", help="Name the bootstrap support of each branch in tree.png."),
]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


def read_count(option: str, text: str | None) -> int | None:
    """Read a number of things: ``5000000``, ``5M``, ``1.5G``; None stays None.

    Raises:
        InputError: the text is no such number, or below 1.

    >>> read_count("--max-params", "5M"), read_count("--max-flops", "1.5g")
    (5000000, 1500000000)
    """
    if text is None:
        return None
    found = re.fullmatch(r"([\d_]*\.?\d*(?:e\d{1,2})?)\s*([kmgb]?)", text.strip().lower())
    try:
        number = float(found[1]) * _UNITS[found[2]] if found else 0.0
    except ValueError:
        number = 0.0
    if not (math.isfinite(number) and number >= 1):
        raise InputError(f"{option} is {text!r}; it is a number such as 5000000, 5M or 1.5G")
    return round(number)


def read_shape(text: str | None) -> tuple[int, int, int] | None:
    """Read the shape of images: ``H,W`` or ``C,H,W``; three channels if none are said.

    Raises:
        InputError: the text is no such shape.

    >>> read_shape("64,96"), read_shape("1x28x28")
    ((3, 64, 96), (1, 28, 28))
    """
    if text is None:
        return None
    parts = re.split(r"[,x]", text.strip().lower())
    sizes = [int(part) for part in parts if re.fullmatch(r"\s*\d{1,6}\s*", part)]
    if len(sizes) != len(parts) or len(sizes) not in (2, 3) or min(sizes) < 1:
        raise InputError(
            f"--input-shape is {text!r}; it is height,width or channels,height,width, such as "
            "64,64 or 1,28,28"
        )
    channels, height, width = [3, *sizes][-3:]
    return channels, height, width
