"""What is written and said of an ablation: tables against both controls, and one figure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.analysis.cells import cross_domain
from nasneurn.analysis.chance import chance_note
from nasneurn.analysis.comparisons import comparable, compare
from nasneurn.analysis.intervals import holm
from nasneurn.choices import check_known
from nasneurn.report.captions import seeds_of
from nasneurn.report.figure_captions import write_captions
from nasneurn.report.findings import Findings
from nasneurn.report.style import NEUTRAL, level_colours, write_figure
from nasneurn.report.table_files import write_csv_files
from nasneurn.report.tables import in_percent
from nasneurn.studies.ablations import NONE, PLAIN, VARIANTS, rows_of_variants
from nasneurn.studies.folder import Study

#: The controls, in the order of the panels.
CONTROLS = (PLAIN.label, NONE.label)


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
        """A line for each variant: its difference from both controls."""
        return [
            f"{group}: {variant}: " + ", ".join(map(_told, own.to_dict(orient="records")))
            for (group, variant), own in self.overall.groupby(["group", "variant"], sort=False)
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
        heights = _heights(_in_order(overall))
        _draw_against(ax, overall, against, heights)
        _name_variants(ax, heights)
        return ax


def ablation_of(study: Study, responses: pd.DataFrame) -> Ablation:
    """The comparisons of a study of variants."""
    rows = rows_of_variants(study.accuracy)
    across = cross_domain(rows)
    return Ablation(
        study, _compared(across, ()), _compared(across, ("source", "target")), responses
    )


def _compared(rows: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    """Each variant against each control, over seeds, by Holm's method over the whole table."""
    groups = rows.drop_duplicates("variant").set_index("variant")["group"]
    parts = [
        compare(rows, "variant", control, by, random="seeds").assign(against=control)
        for control in CONTROLS
        if len(rows) and comparable(rows, "variant", control)
    ]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    table.insert(0, "group", table["variant"].map(groups))
    table.insert(2, "against", table.pop("against"))
    places = {one.label: place for place, one in enumerate((NONE, PLAIN, *VARIANTS))}
    return table.sort_values("variant", key=lambda labels: labels.map(places), kind="stable")


def write_ablation(found: Ablation, figure_format: str = "png") -> None:
    """Write the tables, in percentage points, and the figure into the study's folder.

    Args:
        found: what is written.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside the figure.
    """
    tables = {
        "tables/ablation": found.main_table(),
        "tables/ablation_pairs": in_percent(found.pairs) if len(found.pairs) else found.pairs,
        "responses": found.responses,
    }
    write_csv_files(tables, found.study.folder)
    if len(found.overall):
        told = seeds_of(found.study.accuracy)
        path = found.study.folder / "figures" / "ablation.png"
        write_figure(lambda: draw_ablation(found.overall, told), path, figure_format)
        write_captions(path.parent, chance_note(found.study.accuracy))


def draw_ablation(overall: pd.DataFrame, seeds: str) -> Figure:
    """A dot with its interval for each variant, by group; a panel for each control."""
    controls = [one for one in CONTROLS if one in set(overall["against"])]
    heights = _heights(_in_order(overall))
    figure = Figure(figsize=(10.0, 1.6 + 0.27 * -min(heights.values())), layout="constrained")
    axes = figure.subplots(1, len(controls), sharey=True, squeeze=False)[0]
    for axis, control in zip(axes, controls, strict=True):
        _draw_against(axis, overall, control, heights)
    _name_variants(axes[0], heights)
    title = f"Forms of NeuRN, means over domains not trained on, {seeds}"
    if any(overall["random"]):  # a single seed has no interval
        title += "; 95% intervals over seeds"
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_against(
    axis: Axes, overall: pd.DataFrame, control: str, heights: Mapping[str, float]
) -> None:
    colours = _colours(overall)
    for row in overall[overall["against"] == control].to_dict(orient="records"):
        height, colour = heights[row["variant"]], colours[row["group"]]
        if row["random"]:
            axis.plot([100 * row["low"], 100 * row["high"]], [height] * 2, lw=2, c=colour)
        axis.plot(100 * row["difference"], height, "o", ms=5, c=colour)
    axis.axvline(0, color=NEUTRAL, lw=1)
    axis.set_xlabel(f"accuracy against {control}\n(percentage points)")
    axis.set_ylim(min(heights.values()) - 0.7, 0.7)


def _name_variants(axis: Axes, heights: Mapping[str, float]) -> None:
    axis.set_yticks(list(heights.values()), list(heights))


def _colours(overall: pd.DataFrame) -> Mapping[str, Any]:
    return level_colours(list(dict.fromkeys(_in_order(overall)["group"])), "control")


def _in_order(overall: pd.DataFrame) -> pd.DataFrame:
    """Groups and variants; a control is a line of the other's panel alone, and comes first."""
    lines = overall[["group", "variant"]].drop_duplicates()
    return pd.concat([lines[lines["group"] == "control"], lines[lines["group"] != "control"]])


def _heights(lines: pd.DataFrame) -> dict[str, float]:
    """A height for each variant, with a gap between groups."""
    heights, place, before = {}, 0.0, None
    for group, variant in zip(lines["group"], lines["variant"], strict=True):
        if before is not None:
            place -= 1.0 if group == before else 1.6
        heights[variant], before = place, group
    return heights


def _told(row: Mapping[Hashable, Any]) -> str:
    return f"{100 * row['difference']:+.1f} against {row['against']}" + _interval(row)


def _interval(row: Mapping[Hashable, Any]) -> str:
    if not row["random"]:
        return ""
    low, high, p = row["low"], row["high"], row["p_holm"]
    return f" ({100 * low:+.1f} to {100 * high:+.1f}; Holm's p {p:.2g})"
