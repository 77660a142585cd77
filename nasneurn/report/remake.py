"""Every table and figure of a study, made from its rows."""

from functools import partial
from pathlib import Path

import pandas as pd

from alignment.outputs import FIGURE_FORMATS
from nasneurn.choices import check_known
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.report.ablation_figure import compare_variants, is_ablation, write_comparisons
from nasneurn.report.figure_captions import write_captions
from nasneurn.report.figures import cautions_by_name, is_of_rows, write_figures
from nasneurn.report.style import files_of
from nasneurn.report.tables import write_tables
from nasneurn.studies.folder import Study


def remake(study: Study, figure_format: str = "png") -> list[Path]:
    """Write the tables and figures of a study again, without training.

    Args:
        study: a study, finished or not.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Returns:
        The files.

    Raises:
        InputError: no training of it is finished, or the format is unknown.
    """
    check_known("figure format", figure_format, FIGURE_FORMATS)
    if not study.has("accuracy") or study.accuracy.empty:
        raise InputError(f"{study.folder} holds no finished training yet")
    rows, folder = study.accuracy, study.folder / "figures"
    written = write_tables(rows, study.folder / "tables")
    if is_ablation(study):
        pairs = compare_variants(rows, ("source", "target"))
        written += write_comparisons(compare_variants(rows), pairs, study.folder)
    drawn = draw_study(study, rows, folder, figure_format)
    for path in drawn:
        written += files_of(path)
    _remove_others(folder, drawn)
    return [*written, *write_captions(folder, partial(cautions_by_name, rows))]


def _remove_others(folder: Path, drawn: list[Path]) -> None:
    """Remove figures that the rows no longer give, as where a setting has joined them since."""
    for path in set(folder.glob("*.png")) - set(drawn):
        if is_of_rows(path.stem):
            for one in files_of(path):
                one.unlink()


def draw_study(
    study: Study, rows: pd.DataFrame, folder: Path, figure_format: str = "png"
) -> list[Path]:
    """Draw every figure of a study that there are rows for.

    Args:
        study: a study, finished or not.
        rows: of it, with the columns of ``accuracy.csv``.
        folder: where to write.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Returns:
        The PNG files.
    """
    return write_figures(
        rows,
        study.history if study.has("history") else pd.DataFrame(),
        folder,
        evolution=study.evolution if study.has("evolution") else None,
        words=study.words,
        found=[{**one.model_dump(), "stem": str(one.stem)} for one in study.found],
        quality=study.quality if study.has("quality") else None,
        control_search=study.control if study.has("control") else None,
        select_under="shifts" if _scored_under_shifts(study) else "clean",
        variants=is_ablation(study),
        figure_format=figure_format,
    )


def _scored_under_shifts(study: Study) -> bool:
    path = study.config_path
    return path.is_file() and read_yaml(path).get("select_under") == "shifts"
