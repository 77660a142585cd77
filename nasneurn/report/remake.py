"""Every table and figure of a study, made from its rows."""

from pathlib import Path

import pandas as pd

from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.report.figures import write_figures
from nasneurn.report.tables import write_tables
from nasneurn.studies.folder import Study


def remake(study: Study) -> list[Path]:
    """Write the tables and figures of a study again, without training.

    Raises:
        InputError: no training of it is finished.
    """
    if not study.has("accuracy") or study.accuracy.empty:
        raise InputError(f"{study.folder} holds no finished training yet")
    rows = study.accuracy
    return [
        *write_tables(rows, study.folder / "tables"),
        *draw_study(study, rows, study.folder / "figures"),
    ]


def draw_study(study: Study, rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw every figure of a study that there are rows for.

    Args:
        study: a study, finished or not.
        rows: of it, with the columns of ``accuracy.csv``.
        folder: where to write.
    """
    return write_figures(
        rows,
        study.history if study.has("history") else pd.DataFrame(),
        folder,
        evolution=study.evolution if study.has("evolution") else None,
        found=[{**one.model_dump(), "stem": str(one.stem)} for one in study.found],
        quality=study.quality if study.has("quality") else None,
        control_search=study.control if study.has("control") else None,
        select_under="shifts" if _scored_under_shifts(study) else "clean",
    )


def _scored_under_shifts(study: Study) -> bool:
    path = study.config_path
    return path.is_file() and read_yaml(path).get("select_under") == "shifts"
