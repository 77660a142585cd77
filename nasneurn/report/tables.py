"""Tables of a study, made from its rows: as CSV and as LaTeX."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nasneurn.analysis.cells import (
    cross_domain,
    designs,
    levels,
    mean_over,
    same_domain,
    split,
    varied,
)
from nasneurn.analysis.chance import chance_note
from nasneurn.analysis.comparisons import RANDOM, comparable, compare
from nasneurn.analysis.literature import beside_literature, differences_told
from nasneurn.analysis.methods import PLAIN, with_methods
from nasneurn.analysis.published import beside_published
from nasneurn.analysis.ranks import rank
from nasneurn.files import written_atomically
from nasneurn.report.captions import own_accuracy, randomness, seeds_of, selection_of
from nasneurn.report.latex_tables import latex

#: Columns that are written in percent, or percentage points.
PERCENT = ("control_mean", "mean", "difference", "low", "high")


@dataclass(frozen=True)
class ReportTable:
    """A table and what must be known to read it."""

    caption: str
    frame: pd.DataFrame


def write_tables(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Write every table as CSV and as LaTeX, and their captions as ``captions.csv``.

    Accuracies and differences are in percent. The LaTeX wants ``\\usepackage{booktabs}``, and has
    the caption as a comment.

    Args:
        rows: with the columns of ``accuracy.csv``.
        folder: where to write; what else lies there stays.
    """
    found = tables(rows)
    captions = pd.DataFrame(
        [(name, table.caption) for name, table in found.items()], columns=["table", "caption"]
    )
    texts = {"captions.csv": captions.to_csv(index=False)}
    for name, table in found.items():
        texts[f"{name}.csv"] = table.frame.to_csv(index=False)
        texts[f"{name}.tex"] = latex(table)
    for name, text in texts.items():
        with written_atomically(folder / name) as draft:
            draft.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def tables(rows: pd.DataFrame) -> dict[str, ReportTable]:
    """Every table by its name; comparisons are missing where no row has the control."""
    if rows.empty:
        return {}
    rows = designs(rows)
    across, within = cross_domain(rows), same_domain(rows)
    told = (seeds_of(rows), selection_of(rows), own_accuracy(rows), chance_note(rows))
    about = "; ".join(filter(None, told))
    found = {
        "accuracy": ReportTable(
            f"Mean test accuracy (%) by source and target; {about}.",
            _mean_accuracy(rows),
        )
    }
    if len(across):
        found["ranks"] = ReportTable(
            "Average rank on domains not trained on, 1 the best, over cells (an architecture and a "
            f"source), with Friedman's test and Nemenyi's critical difference at 5%; {about}.",
            _ranks(rows),
        )
    for name, chosen, by, where in (
        ("overall", across, (), "on domains not trained on"),
        ("pairs", across, ("source", "target"), "by source and target"),
        ("architectures", across, ("architecture",), "on domains not trained on, by architecture"),
        ("same_domain", within, (), "on the source's own test images"),
    ):
        if len(chosen) and comparable(chosen):
            table = compare(chosen, by=by)
            found[name] = ReportTable(
                f"Accuracy against none (percentage points) {where}: means over cells (an "
                f"architecture and a source), {randomness(table)}; {about}.",
                in_percent(table),
            )
    if "overall" in found:
        found["intervals"] = ReportTable(
            "Accuracy against none (percentage points) on domains not trained on, with the "
            f"interval for other cells, sources, architectures or seeds alike; {about}.",
            in_percent(_intervals(across)),
        )
    if "algorithm" in rows and rows["algorithm"].nunique() > 1:
        methods = with_methods(across)
        if len(across) and comparable(methods, "method", PLAIN):
            table = compare(methods, "method", PLAIN)
            found["methods"] = ReportTable(
                "Each algorithm with each stem against plain training without one (percentage "
                f"points) on domains not trained on: means over cells, {randomness(table)}; "
                f"{'; '.join(filter(None, [seeds_of(rows), chance_note(rows)]))}.",
                in_percent(table),
            )
    literature = beside_literature(rows)
    if len(literature):
        found["literature"] = ReportTable(
            "Single-source digits (%), with the literature's; "
            f"{differences_told(literature)}; {about}.",
            literature,
        )
    published = beside_published(rows)
    if len(published):
        found["published"] = ReportTable(
            f"Published accuracies (%) beside those here, for the same pairs; {about}.", published
        )
    return found


def _mean_accuracy(rows: pd.DataFrame) -> pd.DataFrame:
    keys = [*varied(rows), "source", "target"]
    table = mean_over(rows, [*keys, "stem"]).unstack("stem")
    order = rows[keys].drop_duplicates()
    table = (100 * table[levels(rows)]).round(1).reset_index()
    return order.merge(table, on=keys, how="left").rename_axis(columns=None)


def _ranks(rows: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for own, part in split(rows):
        ranking = rank(part)
        ranks = ranking.ranks.round(3).rename("average_rank")
        table = ranks.rename_axis("stem").reset_index()
        table = table.assign(
            cells=ranking.cells,
            friedman_p=_short(ranking.p),
            critical_difference=_short(ranking.critical_difference),
        )
        parts.append(table.assign(**own)[[*own, *table.columns]])
    return pd.concat(parts, ignore_index=True)


def _intervals(across: pd.DataFrame) -> pd.DataFrame:
    parts = [compare(across, random=name) for name in RANDOM]
    table = pd.concat([part for part in parts if (part["random"] != "").any()] or parts[:1])
    return table[table["random"] != ""].reset_index(drop=True)


def in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """A table of :func:`~nasneurn.analysis.comparisons.compare` as it is written."""
    scaled = table.copy()
    for column in PERCENT:
        scaled[column] = (100 * scaled[column]).round(2)
    for column in ("p", "p_holm"):
        scaled[column] = scaled[column].map(_short)
    return scaled


def _short(number: float | None) -> float:
    return float("nan") if number is None else float(f"{number:.3g}")
