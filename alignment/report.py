"""An alignment as pictures, and the tables that belong to them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from alignment.outcome import NAMED, Alignment
from alignment.outputs import (
    CONFIG,
    FILES,
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

    Returns:
        The files.

    Raises:
        AlignmentError: ``folder`` cannot be written or holds results of another kind, or the order
            is unknown.
    """
    prepare_folder(folder)
    before = _held(folder)
    with suppress(OSError):
        (folder / CONFIG).unlink()
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
        pictures = _drawn_before(folder, before, content, written)
        pictures = pictures or write_figures(outcome, folder, order=order, support=support)
    written += pictures
    remove_others(folder, written)
    content["figures"] = [path.name for path in pictures]
    return [*written, write_config(folder, content)]


def _held(folder: Path) -> dict[str, bytes]:
    """What the tables and the configuration in a folder hold, by name."""
    paths = [folder / name for name in (CONFIG, *FILES) if name.endswith((".yaml", ".csv"))]
    held = {}
    with suppress(OSError):
        held = {path.name: path.read_bytes() for path in paths if path.is_file()}
    return held


def _drawn_before(
    folder: Path, before: Mapping[str, bytes], content: Mapping[str, object], tables: Sequence[Path]
) -> list[Path]:
    """The figures of a folder, if they are of the same configuration and of equal tables."""
    text = before.get(CONFIG, b"")
    names = config_of(text).get("figures")
    if not isinstance(names, list) or text != config_text({**content, "figures": names}):
        return []
    if any(path.read_bytes() != before.get(path.name) for path in tables):
        return []
    paths = [folder / name for name in names if name in FILES]
    return paths if all(path.is_file() for path in paths) else []


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
) -> list[Path]:
    """Write the figures: a heatmap and a tree, or, of very many architectures, a map and its page.

    Args:
        outcome: what is drawn.
        folder: where to; it is made if it is missing.
        order: of the heatmap; see :meth:`alignment.outcome.Alignment.plot_heatmap`.
        support: of the tree's branches; see :meth:`alignment.outcome.Alignment.plot_tree`.

    Returns:
        The files.

    Raises:
        AlignmentError: ``folder`` cannot be written, or the order is unknown.
    """
    prepare_folder(folder)
    if len(outcome) > NAMED:
        return _write_map(outcome, folder)
    return [
        *(_write_pairs(outcome, folder, order, support) if len(outcome) > 1 else []),
        *_write_silhouette(outcome, folder),
    ]


# The figures' module imports Matplotlib, half a second long: not for tables alone.


def _write_map(outcome: Alignment, folder: Path) -> list[Path]:
    from alignment.figures import draw_map, embed

    points = embed(outcome.similarity_matrix)
    page, picture = folder / "map.html", folder / "map.png"
    text = map_page(outcome, points)
    write_with(page, lambda draft: draft.write_text(text, encoding="utf-8"))
    write_with(picture, lambda draft: draw_map(outcome, points, draft))
    return [picture, page]


def _write_pairs(
    outcome: Alignment, folder: Path, order: str | None, support: "Support | None"
) -> list[Path]:
    from alignment.drawing import save

    written = [folder / "heatmap.png", folder / "tree.png"]
    write_with(written[0], partial(save, outcome.plot_heatmap(order=order)))
    write_with(written[1], partial(save, outcome.plot_tree(support=support)))
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
