"""Every table and figure of a study, made from its rows."""

from pathlib import Path

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
    found = [{**one.model_dump(), "stem": str(one.stem)} for one in study.found]
    return [
        *write_tables(rows, study.folder / "tables"),
        *write_figures(
            rows,
            study.history,
            study.folder / "figures",
            evolution=study.evolution if study.has("evolution") else None,
            found=found,
            quality=study.quality if study.has("quality") else None,
            control_search=study.control if study.has("control") else None,
        ),
    ]
