"""Search an architecture on source domains, and measure it on every domain of a suite."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nasneurn.errors import InputError
from nasneurn.search.config import (
    BUDGETS,
    Budget,
    SearchConfig,
    StemChoice,
    budget_named,
    choose_stems,
)
from nasneurn.search.outputs import Outputs

if TYPE_CHECKING:
    from nasneurn.search.quality import QualityOutputs

__all__ = [
    "BUDGETS",
    "Budget",
    "Outputs",
    "SearchConfig",
    "StemChoice",
    "budget_named",
    "choose_stems",
    "measure_quality",
    "search",
]


def search(
    config: SearchConfig,
    out: Path,
    *,
    device: str = "auto",
    data_dir: Path | None = None,
    engine: str | None = None,
    workers: int = 1,
    devices: int = 1,
    nodes: int = 1,
    strategy: str = "auto",
) -> Outputs:
    """Run a search, or continue one, and write its outputs into ``out``.

    Args:
        engine: where supernets and candidates are worked on: by default this process, or local
            processes for several ``workers``.
        devices: that train a supernet together, on each of ``nodes``, by Lightning's ``strategy``.

    Raises:
        InputError: NNI is missing, the folder holds another search, or the input cannot be used.
    """
    _need_nni()
    # Here, because it takes seconds and everything else works without NNI.
    from nasneurn.search.run import run_search
    from nasneurn.training import Machines

    return run_search(
        config,
        out,
        device=device,
        data_dir=data_dir,
        engine=_engine(engine, workers),
        workers=workers,
        machines=Machines(devices, nodes, strategy),
    )


def measure_quality(
    config: SearchConfig,
    architectures: int,
    out: Path,
    *,
    device: str = "auto",
    data_dir: Path | None = None,
    engine: str | None = None,
    workers: int = 1,
) -> "QualityOutputs":
    """Measure a search on so many architectures of each supernet; or continue where it stopped.

    Raises:
        InputError: NNI is missing, the folder holds another measurement, or the input cannot be
            used.
    """
    _need_nni()
    from nasneurn.search.quality import QualityConfig, measure_all

    return measure_all(
        QualityConfig(search=config, architectures=architectures),
        out,
        device=device,
        data_dir=data_dir,
        engine=_engine(engine, workers),
        workers=workers,
    )


def _need_nni() -> None:
    if find_spec("nni") is None:
        raise InputError(
            "the search needs NNI, which is not installed: it has wheels for x86-64 Linux, "
            "Windows and macOS (pip install nni==3.0), and none for arm64 Linux"
        )


def _engine(named: str | None, workers: int) -> str:
    return named or ("here" if workers == 1 else "local")
