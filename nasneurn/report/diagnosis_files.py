"""A diagnosis as files: a table for each subject, and figures."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from nasneurn.analysis.cells import of_setting
from nasneurn.diagnosis.diagnose import Diagnosis
from nasneurn.progress import meter
from nasneurn.report.answer_figures import draw_confusions, draw_rescued
from nasneurn.report.captions import cautions_of
from nasneurn.report.diagnosis_figures import image_drawings, reliability_drawing, shift_drawings
from nasneurn.report.figure_captions import write_captions
from nasneurn.report.figures import with_notes
from nasneurn.report.inside_figures import draw_corruptions, draw_layers
from nasneurn.report.rescued_sheet import draw_sheet
from nasneurn.report.style import figure_suffix, free_name, write_figure
from nasneurn.report.table_files import write_csv_files

#: Kinds of training (architectures, settings) that get figures of their own.
DRAWN = 4

Drawings = dict[str, Callable[[], Figure]]


def write_diagnosis(found: Diagnosis, folder: Path, figure_format: str = "png") -> None:
    """Write ``tables/`` and ``figures/``, with captions; numbers are in full.

    Args:
        found: what is written.
        folder: where to write.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Raises:
        InputError: the folder cannot be written.
    """
    write_csv_files(found.tables, folder / "tables")
    drawings = _drawings(found)
    with meter("figures", len(drawings)) as progress:
        for name, draw in drawings.items():
            write_figure(draw, folder / "figures" / f"{name}.png", figure_format)
            progress.advance()
    write_captions(folder / "figures", partial(_cautions_by_name, found))


def _cautions_by_name(found: Diagnosis, name: str) -> str:
    parts = ((figure_suffix(own), rows) for own, rows in found.chosen.kinds())
    return cautions_of(name, found.chosen.rows, parts)


def _drawings(found: Diagnosis) -> Drawings:
    drawings = image_drawings(found.tables, found.chosen.stems)
    kinds = list(found.chosen.kinds())
    several = len(kinds) > 1
    for own, rows in kinds[:DRAWN]:
        suffix = figure_suffix(own) if several else ""
        for name, draw in _of_kind(found, own, rows).items():
            titled = partial(_titled, draw, ", ".join(own.values())) if several else draw
            drawings[free_name(name + suffix, drawings)] = partial(with_notes, titled, rows)
    for sheet in found.sheets:
        own = {name: sheet.columns[name] for name in found.chosen.keys}
        names = {name: sheet.columns[name] for name in ("source", "target", "stem")}
        suffix = figure_suffix(own) if several else ""
        name = free_name(f"images{figure_suffix(names)}{suffix}", drawings)
        drawings[name] = partial(draw_sheet, sheet)
    return drawings


def _of_kind(found: Diagnosis, own: Mapping[str, str], rows: pd.DataFrame) -> Drawings:
    stems = list(found.chosen.stems)
    # Tables of images alone are of all kinds.
    tables = {name: of_setting(table, own) for name, table in found.tables.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    drawings = shift_drawings(tables, rows, stems)
    for source in found.chosen.sources:
        for name, draw in {
            "reliability": lambda t, s: reliability_drawing(t, stems, s),
            "confusions": lambda t, s: draw_confusions(t, stems, s, found.classes),
            "layers": draw_layers,
            "corruptions": lambda t, s: draw_corruptions(t, tables["corruption_means"], stems, s),
        }.items():
            if name in tables and source in set(tables[name]["source"]):
                drawing = partial(draw, tables[name], source)
                own_name = f"{name}{figure_suffix({'source': source})}"
                drawings[free_name(own_name, drawings)] = drawing
    if "rescued" in tables:
        drawings["rescued"] = partial(draw_rescued, tables["rescued"])
    return drawings


def _titled(draw: Callable[[], Figure], kind: str) -> Figure:
    """A figure whose title names the kind of training."""
    figure = draw()
    figure.suptitle(f"{figure.get_suptitle()}\n{kind}", fontsize=11)
    figure.set_figheight(figure.get_figheight() + 0.2)
    return figure
