"""All figures of a study, made from its rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from nasneurn.analysis.cells import cross_domain, designs, levels, of_setting, split
from nasneurn.analysis.comparisons import comparable
from nasneurn.analysis.hypervolumes import hypervolumes
from nasneurn.analysis.literature import beside_literature
from nasneurn.analysis.rank_correlation import rank_correlations
from nasneurn.analysis.ranks import rank
from nasneurn.report.ablation_figure import compare_variants, draw_ablation
from nasneurn.report.architecture_figure import draw_architectures
from nasneurn.report.captions import cautions_of, notes_of, seeds_of
from nasneurn.report.comparison_figures import draw_differences, draw_effects, draw_overall
from nasneurn.report.curve_figure import draw_curves
from nasneurn.report.evolution_figures import draw_evolution, draw_hypervolumes
from nasneurn.report.literature_figure import draw_literature
from nasneurn.report.quality_figure import draw_quality
from nasneurn.report.rank_figure import draw_ranks
from nasneurn.report.style import figure_suffix, free_name, level_colours, write_figure

Drawings = dict[str, Callable[[], Figure]]

#: Figures of a study begin so; the rest of a name is a setting.
NAMES = (
    "overall", "effects", "differences", "ranks", "literature", "curves", "search", "hypervolume",
    "architecture", "quality", "ablation",
)  # fmt: skip


def write_figures(
    rows: pd.DataFrame,
    history: pd.DataFrame,
    folder: Path,
    *,
    words: Mapping[str, str] = MappingProxyType({}),
    evolution: pd.DataFrame | None = None,
    found: Sequence[Mapping[str, Any]] = (),
    quality: pd.DataFrame | None = None,
    control_search: pd.DataFrame | None = None,
    select_under: str = "clean",
    variants: bool = False,
    figure_format: str = "png",
) -> list[Path]:
    """Draw every figure that there are rows for; an unfinished study is drawn with its gaps.

    Of rows in several settings (inherited and fresh weights, say) each has figures of its own,
    with its name at the end of theirs.

    Args:
        rows: with the columns of ``accuracy.csv``.
        history: with those of ``history.csv``.
        folder: where to write.
        words: what figures call architectures whose names are in it.
        evolution: with those of ``evolution.csv``.
        found: see :func:`~nasneurn.report.architecture_figure.draw_architectures`.
        quality: with the columns of ``quality.csv``.
        control_search: with those of ``control.csv``.
        select_under: what scored the candidates of a search, ``clean`` or ``shifts``.
        variants: whether the forms of NeuRN among the stems are compared with each other.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each.

    Returns:
        The PNG files.
    """
    drawings: Drawings = {}
    for own, part in split(in_words(designs(rows), words)) if len(rows) else ():
        suffix = figure_suffix(own)
        for name, draw in _comparisons(part).items():
            drawings[free_name(name + suffix, drawings)] = partial(with_notes, draw, part)
    literature = beside_literature(rows) if len(rows) else rows
    if len(literature):
        drawings["literature"] = partial(with_notes, partial(draw_literature, literature), rows)
    for own, part in split(in_words(designs(history), words)) if len(history) else ():
        drawing = partial(draw_curves, part)
        noted = partial(with_notes, drawing, of_setting(rows, own))
        drawings[free_name("curves" + figure_suffix(own), drawings)] = noted
    if evolution is not None and len(evolution):
        burden = "latency" if "latency" in evolution else "flops"
        drawings["search"] = partial(draw_evolution, evolution, select_under)
        volumes = hypervolumes(evolution, burden)
        drawings["hypervolume"] = partial(draw_hypervolumes, volumes, select_under)
    if found:
        drawings["architecture"] = partial(draw_architectures, found)
    if quality is not None and control_search is not None and len(quality):
        correlation = rank_correlations(quality)
        drawings["quality"] = partial(
            draw_quality, quality, correlation, control_search, select_under
        )
    forms = compare_variants(rows) if variants else pd.DataFrame()
    if len(forms):
        drawing = partial(draw_ablation, forms, seeds_of(rows))
        drawings["ablation"] = partial(with_notes, drawing, rows)
    return [
        write_figure(draw, folder / f"{name}.png", figure_format) for name, draw in drawings.items()
    ]


def cautions_by_name(rows: pd.DataFrame, name: str) -> str:
    """What must be known of the rows that a figure of :func:`write_figures` shows, by its name."""
    parts = split(designs(rows)) if len(rows) else ()
    return cautions_of(name, rows, ((figure_suffix(own), part) for own, part in parts))


def is_of_rows(name: str) -> bool:
    """Whether a figure of that name is one that :func:`write_figures` makes of rows.

    >>> is_of_rows("overall-front-erm"), is_of_rows("my-own")
    (True, False)
    """
    return name.partition("-")[0] in NAMES


def in_words(rows: pd.DataFrame, words: Mapping[str, str]) -> pd.DataFrame:
    """The rows with architectures called by other names, where there are such."""
    if not words or "architecture" not in rows:
        return rows
    return rows.assign(architecture=rows["architecture"].replace(dict(words)))


def _comparisons(rows: pd.DataFrame) -> Drawings:
    across = cross_domain(rows)
    drawings: Drawings = {}
    if len(across) and comparable(across):
        drawings["overall"] = partial(draw_overall, rows)
        drawings["effects"] = partial(draw_effects, rows)
        drawings["differences"] = partial(draw_differences, rows)
    if len(across):
        ranking = rank(rows)
        if ranking.critical_difference is not None:
            colours = level_colours(levels(rows))
            drawings["ranks"] = partial(draw_ranks, ranking, colours)
    return drawings


def with_notes(draw: Callable[[], Figure], rows: pd.DataFrame) -> Figure:
    """A figure whose title says what must be known: the selection, and trainings near chance."""
    figure = draw()
    told = notes_of(rows, figure.get_figwidth())
    if told:
        figure.suptitle("\n".join(filter(None, [figure.get_suptitle(), *told])), fontsize=11)
        figure.set_figheight(figure.get_figheight() + 0.25 * len(told))
    return figure
