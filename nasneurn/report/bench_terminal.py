"""What the benchmark prints: its plan, how far a folder is, and its result."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from nasneurn.studies.estimate import Estimate
from nasneurn.studies.outputs import BenchOutputs


def print_plan(estimates: Sequence[Estimate], workers: int) -> None:
    """Print the jobs that are left, and how long they take at most."""
    table = Table(title="Trainings that are left")
    table.add_column("architecture")
    table.add_column("images are met")
    for heading in ("trainings", "seconds each, at most", "together"):
        table.add_column(heading, justify="right")
    for one in estimates:
        cells = [one.architecture, one.adaptation, str(one.jobs), f"{one.seconds:.0f}"]
        table.add_row(*cells, _duration(one.jobs * one.seconds))
    total = sum(one.jobs * one.seconds for one in estimates)
    console = Console()
    console.print(table)
    console.print(
        f"{sum(one.jobs for one in estimates)} trainings, at most {_duration(total / workers)} "
        f"with {workers} at once; early stopping makes it less",
        highlight=False,
    )


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02} min" if hours else f"{rest // 60} min {rest % 60:02} s"


def print_status(outputs: BenchOutputs) -> None:
    """Print how far a folder's grid is, by architecture, and what failed."""
    config, outcomes = outputs.config(), outputs.store.outcomes()
    each = len(config.stems) * len(config.sources) * len(config.seeds)
    done = {identity: record["architecture"] for identity, record in outcomes.done.items()}
    failed = {identity: record["architecture"] for identity, record in outcomes.failed.items()}
    table = Table(title=f"{outputs.folder}: {config.suite}, budget {config.budget_name}")
    table.add_column("architecture")
    for heading in ("trainings", "done", "failed", "left"):
        table.add_column(heading, justify="right")
    for backbone in config.backbones:
        finished = list(done.values()).count(backbone.name)
        broken = list(failed.values()).count(backbone.name)
        counts = (each, finished, broken, each - finished - broken)
        table.add_row(backbone.name, *map(str, counts))
    console = Console()
    console.print(table)
    for record in outcomes.failed.values():
        console.print(f"failed: {record['title']}: {record['error']}", highlight=False)


def print_result(outputs: BenchOutputs) -> None:
    """Print what each stem does to accuracy across domains, and where the files are."""
    from nasneurn.report.bench_tables import overall_view

    accuracy = outputs.accuracy()
    console = Console()
    console.print(overall_view(accuracy))
    failed = len(outputs.store.outcomes().failed)
    if failed:
        console.print(
            f"{failed} trainings failed: {outputs.failures_path}; --retry-failed tries them again",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"written to {outputs.folder}", highlight=False, soft_wrap=True)
