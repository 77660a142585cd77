"""Every figure and table of a results folder, made again from its rows."""

from pathlib import Path

from nasneurn.errors import InputError


def remake(folder: Path) -> list[Path]:
    """Draw the figures of a grid's or a search's folder again, without training.

    Raises:
        InputError: the folder holds neither.
    """
    if (folder / "quality.csv").is_file():
        from nasneurn.search.quality import QualityOutputs

        return QualityOutputs(folder).draw()
    if (folder / "evolution.csv").is_file():
        from nasneurn.search.outputs import Outputs

        return Outputs(folder).draw()
    if (folder / "accuracy.csv").is_file():
        from nasneurn.report.bench_figures import draw_all
        from nasneurn.report.bench_tables import write_tables
        from nasneurn.studies.outputs import BenchOutputs

        outputs = BenchOutputs(folder)
        accuracy = outputs.accuracy()
        if accuracy.empty:
            raise InputError(f"{folder} holds no finished training yet")
        return [
            *write_tables(accuracy, folder / "tables"),
            *draw_all(accuracy, outputs.history(), folder / "figures"),
        ]
    raise InputError(f"{folder} holds no results of a search or a grid: it has no accuracy.csv")
