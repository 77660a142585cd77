"""What the forms of NeuRN add, against both controls: compared, as tables and as a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.analysis.cells import SETTINGS, cross_domain, with_settings
from nasneurn.analysis.comparisons import comparable, compare
from nasneurn.analysis.intervals import holm
from nasneurn.report.style import NEUTRAL, level_colours
from nasneurn.report.table_files import write_csv_files
from nasneurn.report.tables import in_percent
from nasneurn.studies.ablations import NONE, PLAIN, VARIANTS, rows_of_variants
from nasneurn.studies.folder import Study

#: The controls, in the order of the panels.
CONTROLS = (PLAIN.label, NONE.label)

#: Of an ablation's folder: what variants answer to test images, and the comparisons.
RESPONSES, OVERALL, PAIRS = "responses.csv", "tables/ablation.csv", "tables/ablation_pairs.csv"


def is_ablation(study: Study) -> bool:
    """Whether ``nasneurn ablate`` has written into the folder of a study."""
    return any((study.folder / name).is_file() for name in (RESPONSES, OVERALL))


def compare_variants(rows: pd.DataFrame, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Each variant against each control, over seeds, by Holm's method over the whole table.

    Args:
        rows: of a study, with the columns of ``accuracy.csv``.
        by: columns that are compared apart, such as ``("source", "target")``.

    Returns:
        A row for each variant and control; none where nothing can be compared.
    """
    rows = cross_domain(rows_of_variants(rows))
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


def write_comparisons(overall: pd.DataFrame, pairs: pd.DataFrame, folder: Path) -> list[Path]:
    """Write what :func:`compare_variants` gives as CSV files, in percentage points.

    Args:
        overall: over all pairs of domains.
        pairs: for each.
        folder: of the study.

    Returns:
        The files.
    """
    tables = {OVERALL: overall, PAIRS: pairs}
    write_csv_files(
        {
            name.removesuffix(".csv"): in_percent(table) if len(table) else table
            for name, table in tables.items()
        },
        folder,
    )
    return [folder / name for name in tables]


def lines_of(overall: pd.DataFrame) -> pd.DataFrame:
    """The comparisons with a name of its own for each line: ``k = 5 (ema)``, of several settings.

    Args:
        overall: of :func:`compare_variants`; it has a column for each setting of several values.
    """
    return with_settings(overall, "variant", [name for name in SETTINGS if name in overall])


def draw_ablation(overall: pd.DataFrame, seeds: str) -> Figure:
    """A dot with its interval for each variant, by group; a panel for each control."""
    overall = lines_of(overall)
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


def draw_variants_on(axis: Axes, overall: pd.DataFrame, control: str) -> None:
    """The panel of one control in axes of someone else's; ``overall`` is against that alone."""
    overall = lines_of(overall)
    heights = _heights(_in_order(overall))
    _draw_against(axis, overall, control, heights)
    _name_variants(axis, heights)


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
