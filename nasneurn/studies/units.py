"""Units of work: what a study is cut into, and where one of them is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nasneurn.domains import SuiteHandle
from nasneurn.training.devices import ALONE, Machines

Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a unit is done: nothing of it changes the rows.

    Attributes:
        suite: opens the images.
        folder: that of the study.
        device: "cpu" or "cuda".
        title: the unit in words, with its number, for the progress.
        shown: whether progress is shown: not in one of several workers.
        noted: the file that says how far the unit is, for others to show.
        compiled: by torch.compile.
        save_predictions, save_weights: whether trainings leave these in the folder.
        tensorboard: whether they leave curves for TensorBoard there.
        machines: devices that train one supernet together.
        engine, workers: by which a unit that is done in the study's own process may share out
            parts of its work.
    """

    suite: SuiteHandle
    folder: Path
    device: str = "cpu"
    title: str = ""
    shown: bool = True
    noted: Path | None = None
    compiled: bool = False
    save_predictions: bool = False
    save_weights: bool = False
    tensorboard: bool = False
    machines: Machines = ALONE
    engine: str = "here"
    workers: int = 1

    @property
    def state(self) -> Path:
        """The folder of what unfinished units keep."""
        return self.folder / "state"

    @property
    def curves(self) -> Path:
        """The folder of the curves for TensorBoard."""
        return self.folder / "tensorboard"

    @property
    def found(self) -> Path:
        """The folder of the weights that found architectures inherit."""
        return self.folder / "found"


@dataclass(frozen=True)
class Result:
    """What a unit gives: rows by table."""

    tables: Mapping[str, list[Row]] = field(default_factory=dict)


class Unit(Protocol):
    """A piece of work that is done once, by one process: a training, or a supernet."""

    @property
    def identity(self) -> str:
        """16 hexadecimal digits: the same for the same work on any machine."""

    @property
    def title(self) -> str:
        """The unit in words: ``resnet18, neurn, mnist, seed 0``."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """What a row of a failure says of it."""

    @property
    def shares_out(self) -> bool:
        """Whether parts of its work can be given to workers, where it is the only one left."""

    def model_dump_json(self) -> str:
        """All that it is, as JSON."""

    def work(self, place: Place) -> Result:
        """Do it; killed and called again, it continues and gives the same rows."""
