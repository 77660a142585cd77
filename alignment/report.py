"""An alignment as pictures, and the tables that belong to them."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from alignment.errors import check_known
from alignment.outcome import NAMED, Alignment
from alignment.outputs import (
    CONFIG,
    FIGURE_FORMATS,
    FILES,
    check_own,
    config_of,
    config_text,
    prepare_folder,
    remove_others,
    write_config,
    write_table,
    write_with,
)
from alignment.page import map_page
from alignment.sensitivity import settings_table, silhouette_curve
from alignment.tables import write_null, write_tables

if TYPE_CHECKING:
    from alignment.nulls import Null
    from alignment.support import Support

#: Packages whose versions an alignment may depend on.
PACKAGES = (
    "nasneurn", "timm", "torch", "torchvision", "keras", "numpy", "scipy", "scikit-learn",
    "matplotlib",
)  # fmt: skip


def write_all(
    outcome: Alignment,
    folder: Path,
    *,
    models: Sequence[str] = (),
    figures: bool = True,
    order: str | None = None,
    support: "Support | None" = None,
    null: "Null | None" = None,
    figure_format: str = "png",
) -> list[Path]:
    """Write tables, figures and ``config.yaml``, and take away what another alignment wrote there.

    The configuration comes last: a folder without it is of an alignment that did not end. Figures
    are not drawn again where the folder holds those of the same options, versions and tables.

    Args:
        outcome: what is written.
        folder: where to; it is made if it is missing.
        models: the words that named the architectures; without any, their own names.
        figures: draw them.
        order: of the heatmap; see :meth:`alignment.outcome.Alignment.plot_heatmap`.
        support: of the tree's branches; see :meth:`alignment.outcome.Alignment.plot_tree`.
        null: of the pairs, of :func:`alignment.measures.null_of`.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Returns:
        The files.

    Raises:
        AlignmentError: ``folder`` cannot be written, or holds results of another kind or files of
            others with names of an alignment's; or the order or the format is unknown.
    """
    check_known("figure format", figure_format, FIGURE_FORMATS)
    prepare_folder(folder)
    check_own(folder)
    before = _held(folder) if figures else {}
    write_config(folder, {})  # until all is there it says no more than whose folder it is
    written = write_tables(outcome, folder)
    if null is not None:
        written.append(write_null(outcome, null, folder))
    drawn: dict[str, object] = {"order": order or outcome.default_order} if figures else {}
    drawn |= {} if support is None else {"support": support.replicates}
    drawn |= {} if null is None else {"shuffles": null.shuffles}
    content = {
        "models": list(models) or list(outcome.names),
        "options": outcome.options.plain(),
        **drawn,
        "environment": _versions(),
    }
    pictures: list[Path] = []
    if figures:
        pictures = _drawn_before(folder, before, content, written, figure_format)
        pictures = pictures or write_figures(
            outcome, folder, order=order, support=support, figure_format=figure_format
        )
    written += pictures
    remove_others(folder, written)
    if pictures:
        from alignment.pictures import write_captions

        written += write_captions(folder)
    content["figures"] = {path.name: _digest(path) for path in pictures}
    return [*written, write_config(folder, content)]


def _held(folder: Path) -> dict[str, bytes]:
    """What the tables and the configuration in a folder hold, by name."""
    paths = [folder / name for name in (CONFIG, *FILES) if name.endswith((".yaml", ".csv"))]
    held = {}
    with suppress(OSError):
        held = {path.name: path.read_bytes() for path in paths if path.is_file()}
    return held


def _drawn_before(
    folder: Path,
    before: Mapping[str, bytes],
    content: Mapping[str, object],
    tables: Sequence[Path],
    figure_format: str,
) -> list[Path]:
    """The figures of a folder, if whole, of the same configuration and of equal tables.

    They are none, too, where a copy in the format is missing; copies in others are left out.
    """
    text = before.get(CONFIG, b"")
    figures = config_of(text).get("figures")
    if not isinstance(figures, dict) or text != config_text({**content, "figures": figures}):
        return []
    if any(path.read_bytes() != before.get(path.name) for path in tables):
        return []
    from alignment.pictures import as_asked

    paths = [folder / name for name in as_asked(figures, figure_format) if name in FILES]
    whole = all(path.is_file() and _digest(path) == figures[path.name] for path in paths)
    return paths if whole else []


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    found = {"python": python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def write_figures(
    outcome: Alignment,
    folder: Path,
    *,
    order: str | None = None,
    support: "Support | None" = None,
    figure_format: str = "png",
) -> list[Path]:
    """Write the figures: a heatmap and a tree, or, of very many architectures, a map and its page.

    Args:
        outcome: what is drawn.
        folder: where to; it is made if it is missing.
        order: of the heatmap; see :meth:`alignment.outcome.Alignment.plot_heatmap`.
        support: of the tree's branches; see :meth:`alignment.outcome.Alignment.plot_tree`.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Returns:
        The files.

    Raises:
        AlignmentError: ``folder`` cannot be written, or the order or the format is unknown.
    """
    check_known("figure format", figure_format, FIGURE_FORMATS)
    prepare_folder(folder)
    if len(outcome) > NAMED:
        return _write_map(outcome, folder, figure_format)
    return [
        *(_write_pairs(outcome, folder, order, support, figure_format) if len(outcome) > 1 else []),
        *_write_silhouette(outcome, folder, figure_format),
    ]


# The figures' module imports Matplotlib, half a second long: not for tables alone.


def _write_map(outcome: Alignment, folder: Path, figure_format: str) -> list[Path]:
    from alignment.figures import draw_map, embed
    from alignment.pictures import write_picture

    points = embed(outcome.similarity_matrix)
    page, text = folder / "map.html", map_page(outcome, points)
    write_with(page, lambda draft: draft.write_text(text, encoding="utf-8"))
    return [*write_picture(draw_map(outcome, points), folder / "map.png", figure_format), page]


def _write_pairs(
    outcome: Alignment,
    folder: Path,
    order: str | None,
    support: "Support | None",
    figure_format: str,
) -> list[Path]:
    from alignment.pictures import write_picture

    heatmap, tree = outcome.plot_heatmap(order=order), outcome.plot_tree(support=support)
    written = write_picture(heatmap, folder / "heatmap.png", figure_format)
    written += write_picture(tree, folder / "tree.png", figure_format)
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


def _write_silhouette(outcome: Alignment, folder: Path, figure_format: str) -> list[Path]:
    from alignment.figures import draw_silhouette
    from alignment.pictures import write_picture

    curve = silhouette_curve(outcome)
    if not curve:
        return []
    options = outcome.options
    table, picture = folder / "silhouette.csv", draw_silhouette(curve, outcome)
    header = ["k", f"mean silhouette ({options.clustering}; {options.title()})"]
    write_table(table, header, ((k, f"{value:.6f}") for k, value in curve))
    return [table, *write_picture(picture, folder / "silhouette.png", figure_format)]
