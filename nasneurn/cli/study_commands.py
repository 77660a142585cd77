"""``nasneurn status`` and ``nasneurn figures``: what a folder holds."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="The folder of a study.")]


def status_command(folder: Folder) -> None:
    """Show how far a study is, also while it runs."""
    from nasneurn.api import load_study, read_config
    from nasneurn.report.terminal import Progress, print_status
    from nasneurn.studies.run import progress_of

    study = load_study(folder)
    config, outcomes = read_config(study.config_path), study.store.outcomes()
    failures = [
        (unit.title, outcomes.failed[unit.identity]["error"])
        for unit in config.units(outcomes)
        if unit.identity in outcomes.failed
    ]
    title = f"{folder}: {config.kind}, {config.suite}, budget {config.budget}"
    progress = [Progress(name, *counts) for name, counts in progress_of(config, outcomes).items()]
    print_status(title, progress, failures)


def figures_command(folder: Folder) -> None:
    """Make the tables and figures of a study again from its rows, without training."""
    from nasneurn.api import load_study, read_config
    from nasneurn.report.remake import remake

    study = load_study(folder)
    outcomes = study.store.outcomes()
    if outcomes.done:  # also what a killed run finished, or one whose images have changed since
        study.gather(read_config(study.config_path), outcomes)
    for path in remake(study):
        typer.echo(path)
