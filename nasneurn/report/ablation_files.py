"""What is written and said of an ablation: tables against both controls, and one figure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from nasneurn.choices import check_known
from nasneurn.errors import InputError
from nasneurn.report.ablation_figure import (
    RESPONSES,
    compare_variants,
    draw_ablation,
    draw_variants_on,
    lines_of,
    write_comparisons,
)
from nasneurn.report.captions import cautions, seeds_of
from nasneurn.report.figure_captions import write_captions
from nasneurn.report.figures import with_notes
from nasneurn.report.findings import Findings
from nasneurn.report.style import write_figure
from nasneurn.report.table_files import write_csv_files
from nasneurn.report.tables import in_percent
from nasneurn.rows import read_rows
from nasneurn.studies.ablations import NONE
from nasneurn.studies.folder import Study


@dataclass(frozen=True, repr=False)
class Ablation(Findings):
    """A finished ablation.

    Attributes:
        study: the study, whose ``accuracy`` has all rows.
        overall: a row for each variant and control: the difference of accuracy over all domains
            that were not trained on, paired by seed; accuracies are shares.
        pairs: the same for each source and target.
        responses: what the variants answer to test images.
    """

    study: Study
    overall: pd.DataFrame
    pairs: pd.DataFrame
    responses: pd.DataFrame

    def summary(self) -> Sequence[str]:
        """A line for each variant, of several settings for each: its difference from controls."""
        lines = lines_of(self.overall)
        return [
            f"{group}: {variant}: " + ", ".join(map(_told, own.to_dict(orient="records")))
            for (group, variant), own in lines.groupby(["group", "variant"], sort=False)
        ]

    def main_table(self) -> pd.DataFrame:
        """Each variant against each control, in percentage points."""
        return in_percent(self.overall) if len(self.overall) else self.overall

    def plot_variants(self, ax: Axes | None = None, *, against: str = NONE.label) -> Axes:
        """Draw what each variant gains, a dot with its interval.

        Args:
            ax: drawn into these axes; None makes a figure, which pyplot does not know of.
            against: ``none`` or ``plain NeuRN``.

        Raises:
            InputError: nothing is compared with that.
        """
        check_known("control", against, list(dict.fromkeys(self.overall["against"])))
        overall = self.overall[self.overall["against"] == against]
        if ax is None:
            return draw_ablation(overall, seeds_of(self.study.accuracy)).axes[0]
        draw_variants_on(ax, overall, against)
        return ax


def ablation_of(study: Study, responses: pd.DataFrame) -> Ablation:
    """The comparisons of a study of variants."""
    rows = study.accuracy
    pairs = compare_variants(rows, ("source", "target"))
    return Ablation(study, compare_variants(rows), pairs, responses)


def known_ablation(study: Study) -> Ablation:
    """The same of a folder; ``responses`` has no row where the folder has none of them.

    Raises:
        InputError: the study compares no forms of NeuRN.
    """
    path = study.folder / RESPONSES
    found = ablation_of(study, read_rows(path) if path.is_file() else pd.DataFrame())
    if found.overall.empty:
        raise InputError(
            f"{study.folder} compares no forms of NeuRN on domains not trained on; nasneurn ablate "
            "trains them"
        )
    return found


def write_ablation(found: Ablation, figure_format: str = "png") -> None:
    """Write the tables, in percentage points, and the figure into the study's folder.

    Args:
        found: what is written.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside the figure.
    """
    folder, rows = found.study.folder, found.study.accuracy
    write_comparisons(found.overall, found.pairs, folder)
    write_csv_files({RESPONSES.removesuffix(".csv"): found.responses}, folder)
    if len(found.overall):
        draw = partial(draw_ablation, found.overall, seeds_of(rows))
        path = folder / "figures" / "ablation.png"
        write_figure(partial(with_notes, draw, rows), path, figure_format)
        write_captions(path.parent, lambda name: cautions(rows))


def _told(row: Mapping[Hashable, Any]) -> str:
    return f"{100 * row['difference']:+.1f} against {row['against']}" + _interval(row)


def _interval(row: Mapping[Hashable, Any]) -> str:
    if not row["random"]:
        return ""
    low, high, p = row["low"], row["high"], row["p_holm"]
    return f" ({100 * low:+.1f} to {100 * high:+.1f}; Holm's p {p:.2g})"
