"""What commands print: a plan, how far a study is, and its result; all fits 80 columns."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from nasneurn.analysis.cells import (
    ORACLE,
    cross_domain,
    designs,
    levels,
    mean_over,
    of_setting,
    same_domain,
    split,
    varied,
)
from nasneurn.analysis.chance import chance_note
from nasneurn.analysis.comparisons import comparable, compare
from nasneurn.progress import duration, plain_console
from nasneurn.report.captions import ORACLE_SELECTION, randomness, seeds_of
from nasneurn.report.tables import in_percent

if TYPE_CHECKING:
    from nasneurn.studies.estimate import Estimate
    from nasneurn.studies.standing import Standing


def print_plan(
    plan: "Sequence[Estimate]",
    workers: int,
    *,
    stops_early: bool,
    console: Console | None = None,
) -> None:
    """Print the trainings that are left, and how long they take, at most where they stop early."""
    console = console or plain_console()
    table = Table(title="Trainings that are left")
    table.add_column("architecture")
    table.add_column("adaptation")
    for heading in ("trainings", "each, on\naverage", "together"):
        table.add_column(heading, justify="right")
    for one in plan:
        cells = [one.architecture, one.adaptation, str(one.trainings), duration(one.seconds)]
        table.add_row(*cells, duration(one.trainings * one.seconds))
    console.print(table)
    count = sum(one.trainings for one in plan)
    total = sum(one.trainings * one.seconds for one in plan)
    at_once = max(1, min(workers, count))
    most, less = ("at most", "; early stopping makes it less") if stops_early else ("about", "")
    console.print(
        f"{count} trainings, {most} {duration(total / at_once)} with {at_once} at once{less}",
        highlight=False,
        soft_wrap=True,
    )


def status_view(now: "Standing") -> RenderableType:
    """How far a study is, what is in work, and what failed."""
    table = Table()
    table.add_column("")
    for heading in ("all", "done", "failed", "left"):
        table.add_column(heading, justify="right")
    for name, (units, done, failed) in now.kinds.items():
        table.add_row(name, *map(str, (units, done, failed, units - done - failed)))
    lines = [f"in work: {unit}" for unit in now.in_work]
    lines += [f"failed: {unit}: {error}" for unit, error in now.failures]
    return Group(table, *map(Text, [str(now), *lines]))


def overall_view(rows: pd.DataFrame) -> RenderableType:
    """Accuracy across domains of each stem and its difference to the control.

    One table for each setting: for inherited and for fresh weights, say.
    """
    if rows.empty:
        return Text("no training has been measured yet")
    rows = designs(rows)
    abroad = len(cross_domain(rows)) > 0
    where = "domains not trained on" if abroad else "the source's own test images"
    chosen = cross_domain(rows) if abroad else rows
    compared = pd.DataFrame(columns=[*varied(rows), "stem", "random"])
    if comparable(chosen):
        # Of all settings at once, since Holm's correction is over the whole table.
        compared = in_percent(compare(chosen))
    views: list[RenderableType] = []
    for own, part in split(rows):
        ours = of_setting(compared, own)
        told = [f"Accuracy on {where} (%)", *map(_setting, own.items()), seeds_of(part)]
        view = _view(part, cross_domain(part) if abroad else part, ours)
        view.title = ", ".join(told)
        views.append(view)
    note = chance_note(rows)
    return Group(*views, *([Text(note)] if note else []))


def _view(rows: pd.DataFrame, chosen: pd.DataFrame, compared: pd.DataFrame) -> Table:
    view = Table(caption=randomness(compared) if len(compared) else None)
    view.add_column("stem", overflow="fold")
    # In two lines, since 80 columns must hold it where there is no terminal.
    for heading in ("mean", "against\nnone", "95%\ninterval", "p\n(Holm)", "own\ndomain"):
        view.add_column(heading, justify="right", no_wrap=True)
    means, at_home = mean_over(chosen, ["stem"]), mean_over(same_domain(rows), ["stem"])
    compared = compared.set_index("stem")
    for level in levels(rows):
        cells = [_shown(means.get(level)), *_compared(compared, level), _shown(at_home.get(level))]
        view.add_row(Text(str(level)), *cells)
    return view


def _setting(item: tuple[str, str]) -> str:
    name, value = item
    if item == ("selection", ORACLE):
        return ORACLE_SELECTION
    return f"{value} weights" if name == "weights" else f"{name} {value}"


def _compared(compared: pd.DataFrame, level: str) -> list[str]:
    if level not in compared.index:
        return ["", "", ""]
    row = compared.loc[level]
    known = pd.notna(row["low"])
    return [
        f"{row['difference']:+.1f}",
        f"[{row['low']:+.1f}, {row['high']:+.1f}]" if known else "",
        f"{row['p_holm']:.2g}" if known else "",
    ]


def _shown(share: Any) -> str:
    # Rounded as tables are first, whose numbers a report tells.
    return "" if share is None or pd.isna(share) else f"{round(100 * share, 2):.1f}"


def quality_view(correlation: pd.DataFrame, control: pd.DataFrame) -> RenderableType:
    """How well supernets rank, and how evolution and random search compare at equal cost.

    Args:
        correlation: of :func:`nasneurn.analysis.rank_correlation.rank_correlations`.
        control: with the columns of ``control.csv``.
    """
    table = Table(title="Supernet accuracy against stand-alone training [95% bootstrap interval]")
    for heading in ("source", "stem", "seed", "supernet", "networks", "Kendall tau", "Spearman"):
        table.add_column(heading, no_wrap=heading not in ("source", "stem"), overflow="fold")
    for row in correlation.to_dict(orient="records"):
        cells = [row[name] for name in ("source", "stem", "seed", "measure", "architectures")]
        taus = [_with_interval(row, name) for name in ("kendall", "spearman")]
        table.add_row(*map(str, cells), *taus)
    lines = []
    for (source, stem, seed), own in control.groupby(["source", "stem", "seed"], sort=False):
        best = own.groupby("method")["best"].last()
        if {"evolution", "random"} <= set(best.index):
            lines.append(
                f"{source}, {stem}, seed {seed}: best candidate {100 * best['evolution']:.1f}% by "
                f"evolution, {100 * best['random']:.1f}% by random search at equal cost"
            )
    return Group(table, *map(Text, lines))


def _with_interval(row: Mapping[Any, Any], name: str) -> str:
    if pd.isna(row[name]):
        return "no spread"
    value = f"{row[name]:+.2f}"
    if pd.isna(row[f"{name}_low"]):
        return value
    return f"{value}\n[{row[f'{name}_low']:+.2f}, {row[f'{name}_high']:+.2f}]"
