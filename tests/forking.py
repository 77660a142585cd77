"""Processes forked from one that has imported what they need, so that each starts at once."""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from alignment.variables import with_variables

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "nasneurn.cli",
        "nasneurn.api",
        "nasneurn.domains.prepare",
        "nasneurn.networks.traced",
        "nasneurn.report.page",
        "nasneurn.search.supernet_work",
        "nasneurn.studies.train",
        "alignment.report",
        "matplotlib.backends.backend_agg",
    ]
)
#: Tests run beside each other; what is forked must not have begun to compute with several threads.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def start(work: Callable[..., Any], *arguments: Any, log: Path) -> BaseProcess:
    """Start a function of a module in a process of its own; what it prints goes to a file."""
    process = FORKS.Process(target=_run, args=(work, arguments, str(log)))
    with with_variables(ENVIRONMENT):  # the process that forks is started by the first
        process.start()
    return process


def _run(work: Callable[..., Any], arguments: tuple[Any, ...], log: str) -> None:
    with open(log, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    work(*arguments)


def command(*words: str) -> None:
    """What ``nasneurn WORDS`` does."""
    from nasneurn.cli import main

    sys.argv = ["nasneurn", *words]
    main()
