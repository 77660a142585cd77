"""An alignment as pictures, and the tables that belong to them."""

from functools import partial
from pathlib import Path

from alignment.outcome import NAMED, Alignment
from alignment.outputs import prepare_folder, write_table, write_with
from alignment.page import map_page
from alignment.sensitivity import settings_table, silhouette_curve


def write_figures(outcome: Alignment, folder: Path) -> list[Path]:
    """Write the figures: a heatmap and a tree, or, of very many architectures, a map and its page.

    Args:
        outcome: what is drawn.
        folder: where to; it is made if it is missing.

    Returns:
        The files.

    Raises:
        AlignmentError: ``folder`` cannot be written.
    """
    prepare_folder(folder)
    if len(outcome) > NAMED:
        return _write_map(outcome, folder)
    return [
        *(_write_pairs(outcome, folder) if len(outcome) > 1 else []),
        *_write_silhouette(outcome, folder),
    ]


# The figures' module imports Matplotlib and seaborn, a second long: not for tables alone.


def _write_map(outcome: Alignment, folder: Path) -> list[Path]:
    from alignment.figures import draw_map, embed

    points = embed(outcome.similarity_matrix)
    page, picture = folder / "map.html", folder / "map.png"
    text = map_page(outcome, points)
    write_with(page, lambda draft: draft.write_text(text, encoding="utf-8"))
    write_with(picture, lambda draft: draw_map(outcome, points, draft))
    return [picture, page]


def _write_pairs(outcome: Alignment, folder: Path) -> list[Path]:
    from alignment.figures import draw_heatmap, draw_tree

    written = []
    for name, draw in (("heatmap", draw_heatmap), ("tree", draw_tree)):
        path = folder / f"{name}.png"
        write_with(path, partial(draw, outcome))
        written.append(path)
    if outcome.variants:
        path = folder / "settings.csv"
        header = [
            "changed",
            f"kendall tau with ({outcome.options.title()})",
            "median similarity",
            "nearest of own family",
            "of",
            "silhouette",
            "representatives",
        ]
        write_table(path, header, settings_table(outcome))
        written.append(path)
    return written


def _write_silhouette(outcome: Alignment, folder: Path) -> list[Path]:
    from alignment.figures import draw_silhouette

    curve = silhouette_curve(outcome)
    if not curve:
        return []
    options = outcome.options
    table, picture = folder / "silhouette.csv", folder / "silhouette.png"
    header = ["k", f"mean silhouette ({options.clustering}; {options.title()})"]
    write_table(table, header, ((k, f"{value:.6f}") for k, value in curve))
    write_with(picture, lambda draft: draw_silhouette(curve, outcome, draft))
    return [table, picture]
