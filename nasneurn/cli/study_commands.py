"""``nasneurn status`` and ``nasneurn figures``: what a folder holds."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nasneurn.cli.options import FigureFormat, TrustCode
from nasneurn.errors import InputError

if TYPE_CHECKING:
    from nasneurn.studies.standing import Standing

#: The most seconds between two looks at a study that is watched.
LONGEST = 86_400.0

Folder = Annotated[Path, typer.Argument(help="The folder of a study.")]


def status_command(
    folder: Folder,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again until nothing is left.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds from one time to the next, with --watch.")
    ] = 5.0,
    trust_code: TrustCode = False,
) -> None:
    """Show how far a study is, also while it runs: what is done, failed, in work and left."""
    if not every <= LONGEST:
        raise InputError(f"--every is {every}, must be at most {LONGEST} seconds")
    _print_title(folder)
    from nasneurn.api import load_results, read_config
    from nasneurn.progress import plain_console
    from nasneurn.report.terminal import status_view
    from nasneurn.studies.standing import standing

    study = load_results(folder)
    config = read_config(study.config_path)
    if config.code and not trust_code:
        outcomes = study.store.outcomes()
        typer.echo(
            f"{len(outcomes.done)} done, {len(outcomes.failed)} failed; to know what is left takes "
            f"the code that it names ({', '.join(config.code)}): --trust-code imports it"
        )
        return
    if watch:
        # The configuration is read each time: another process may extend the study meanwhile.
        _watch(lambda: standing(study, read_config(study.config_path)), every)
        return
    plain_console().print(status_view(standing(study, config)), soft_wrap=True)


def _print_title(folder: Path) -> None:
    """What the study is, before anything heavy is imported to tell more."""
    from nasneurn.configuration import read_yaml

    path = folder / "config.yaml"
    config = read_yaml(path) if path.is_file() else {}
    if "suite" in config:
        words = [str(config.get(name, "?")) for name in ("kind", "suite")]
        typer.echo(f"{folder}: {', '.join(words)}, budget {config.get('budget', '?')}")


def _watch(look: Callable[[], "Standing"], every: float) -> None:
    """Show how far a study is until nothing is left: anew on a terminal, else a line a change."""
    import time
    from dataclasses import replace

    from nasneurn.interruption import Interrupted
    from nasneurn.progress import plain_console
    from nasneurn.report.terminal import status_view

    console, told = plain_console(), ""
    try:
        if not console.is_terminal:
            while True:
                now = look()
                # What is left of the time is no news by itself.
                news = str(replace(now, seconds_left=None))
                if news != told:
                    told = news
                    typer.echo(str(now))
                if not now.left:
                    return
                time.sleep(every)
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            while True:
                now = look()
                live.update(status_view(now), refresh=True)
                if not now.left:
                    return
                time.sleep(every)
    except Interrupted:  # whoever has seen enough
        return


def figures_command(
    folder: Folder, trust_code: TrustCode = False, figure_format: FigureFormat = "png"
) -> None:
    """Make the tables and figures of a study again from its rows, without training.

    Code that the study names is not imported unless it is trusted; then accuracy.csv is as it was.
    """
    from nasneurn.api import load_results, read_config
    from nasneurn.choices import refuse_code
    from nasneurn.report.remake import remake

    study = load_results(folder)
    outcomes = study.store.outcomes()
    config = read_config(study.config_path)
    # Also what a killed run finished, or one whose images have changed since.
    if outcomes.done and (trust_code or not config.code):
        study.gather(config, outcomes)
    elif outcomes.done and not study.has("accuracy"):
        refuse_code(study.config_path, config.code, trust_code)
    for path in remake(study, figure_format):
        typer.echo(path)
