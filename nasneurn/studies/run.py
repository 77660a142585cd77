"""A study from its plan to its tables: what is left, the engine that does it, and the resume."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from alignment.outputs import FIGURE_FORMATS
from nasneurn import engines
from nasneurn.choices import check_known, refuse_code
from nasneurn.configuration import read_yaml
from nasneurn.environment import environment
from nasneurn.errors import InputError
from nasneurn.files import check_folder_target
from nasneurn.freed_memory import keep_freed_memory
from nasneurn.progress import Remaining, following, meter, time_left
from nasneurn.studies.config import UNKNOWN, StudyConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.own_code import (
    changed_code,
    code_digests,
    kept_digests,
    refuse_changed_code,
    refuse_registered,
    uses,
)
from nasneurn.studies.sameness import check_images_of, refuse_another, refuse_orphans
from nasneurn.studies.saved import tell_unsaved
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Place, Result, Unit
from nasneurn.training.devices import ALONE, Machines, choose_device, process_rank


@dataclass(frozen=True)
class Assignment:
    """A unit and the place where it is to be done: what an engine hands out."""

    unit: Unit
    place: Place


def do(assignment: Assignment) -> Result:
    """Do a unit of work."""
    keep_freed_memory()
    return assignment.unit.work(assignment.place)


@dataclass(frozen=True)
class Execution:
    """How a study is run; nothing of it is part of any identity.

    Attributes:
        engine: "here", for one worker, "local" or "ray"; None is this process for one worker, else
            "local".
        workers: units at once.
        device: "auto", "cpu" or "cuda".
        data_dir: the folder of the files of "digits".
        compiled: by torch.compile.
        save_predictions, save_weights: whether trainings leave these in the folder.
        tensorboard: whether they leave curves for TensorBoard there, which needs an extra.
        machines: devices that train one supernet together.
        retry_failed: try units again that failed before.
        figure_format: ``pdf`` or ``svg`` writes a vector copy beside each figure, a PNG file.
    """

    engine: str | None = None
    workers: int = 1
    device: str = "auto"
    data_dir: Path | None = None
    compiled: bool = False
    save_predictions: bool = False
    save_weights: bool = False
    tensorboard: bool = False
    machines: Machines = ALONE
    retry_failed: bool = False
    figure_format: str = "png"

    @property
    def chosen_engine(self) -> str:
        """The engine by name."""
        return self.engine or ("here" if self.workers == 1 else "local")

    def check(self) -> None:
        """See that a study can be run so.

        Raises:
            InputError: it cannot, or an extra is missing.
        """
        engines.check(self.chosen_engine, self.workers)
        if self.chosen_engine == "here" and self.workers > 1:
            raise InputError(
                "--engine here does one thing at a time; leave --workers out, or say --engine local"
            )
        if self.machines.several and self.chosen_engine != "here":
            raise InputError("several --devices train one supernet at a time: not with --workers")
        check_known("figure format", self.figure_format, FIGURE_FORMATS)
        if self.tensorboard:
            from nasneurn.training.tensorboard_curves import need_tensorboard

            need_tensorboard()


#: What tells how long units will take: given a run and what is left of it, seconds by identity.
Foresight = Callable[["StudyRun", Sequence[Unit]], Mapping[str, float]]


class StudyRun:
    """A configuration bound to its folder and its data.

    With ``extend`` the folder may hold a smaller study, whose units are kept: the two are one then.
    What that one names by import path is imported with ``trust_code`` alone.

    Raises:
        InputError: the folder holds another study, or code that is not trusted.
    """

    def __init__(
        self,
        config: StudyConfig,
        out: Path,
        execution: Execution,
        *,
        extend: bool = False,
        trust_code: bool = False,
    ) -> None:
        check_folder_target(out)
        execution.check()
        self.study = Study(out)
        self.execution = execution
        self.suite = config.open_suite(execution.data_dir)
        self.config = self._agreed(config, extend)
        foreign = [name for name in self.config.code if name not in config.code]
        refuse_code(self.study.config_path, foreign, trust_code)
        self._code = self._agreed_code()
        self.device = choose_device(execution.device)

    def _agreed(self, config: StudyConfig, extend: bool) -> StudyConfig:
        path = self.study.config_path
        if not path.exists():
            refuse_orphans(self.study.folder, config, self.study.store.outcomes())
            return config
        kind = read_yaml(path).get("kind")
        if kind != config.kind:
            raise InputError(
                f"{self.study.folder} holds a {kind}, not a {config.kind}; choose another --out"
            )
        before = type(config).read(path)
        known = {
            part: before.content.get(part, digest) if digest == UNKNOWN else digest
            for part, digest in config.content.items()
        }
        config = config.model_copy(update={"content": known}).worded_as(before)
        ours = config.on_axes_of(before) if extend else config
        hint = ""
        if not extend and config.on_axes_of(before) == before:
            hint = "; --extend (in Python extend=True) adds models, stems, sources or seeds to it"
        refuse_another(self.study.folder, before, ours, self.suite, hint)
        return config.added_to(before) if extend else config

    def _agreed_code(self) -> dict[str, str]:
        """The digests of one's own code, of which nothing finished may have had others."""
        now = code_digests(self.config.named)
        path = self.study.config_path
        before = kept_digests(path) if path.exists() else {}
        changed = changed_code(before, now)
        if changed:
            outcomes = self.study.store.outcomes()
            units = self.config.units(outcomes)
            done = [unit for unit in units if unit.identity in outcomes.done]
            refuse_changed_code(self.study.folder, changed, done)
        self._mended = changed
        return {**before, **now}

    def left(self, outcomes: Outcomes) -> list[Unit]:
        """The units that are not done, and have not failed unless these are tried again.

        Errors of input and output, as of a full disk, are tried again without being asked to.
        """
        failed = {
            unit
            for unit, record in outcomes.failed.items()
            if not (self.execution.retry_failed or record.get("passing") is True)
        }
        return [
            unit
            for unit in self.config.units(outcomes)
            if unit.identity not in outcomes.done and unit.identity not in failed
        ]

    def check(self, left: Sequence[Unit]) -> None:
        """See that what is ``left`` can be done, on the images that the study began with.

        Raises:
            InputError: it cannot.
        """
        if left:
            if self.execution.chosen_engine != "here":
                refuse_registered(self.config.named)
            check_images_of(self.study.folder, self.config, self.suite)
            self.config.check(self.suite, left)

    def run(self, foresee: Foresight | None = None) -> Study:
        """Do the units that are not done, and write the tables.

        A unit that fails is recorded, and the others go on. Killed at any moment and run again, the
        study continues. Units that another process is doing at the time are left to it. A unit
        that makes others known, as a supernet does, is done before them.

        Args:
            foresee: called before the first training, with what is left.

        Raises:
            InputError: what cannot run, told before the first training.
        """
        if UNKNOWN in self.config.content.values():
            raise InputError(
                "this study was planned without reading its images (read_images=False): it can be "
                "shown and not run"
            )
        outcomes = self.study.store.outcomes()
        self._tell_unsaved(outcomes)
        left = self.left(outcomes)
        self.check(left)
        if process_rank():  # one of several processes that train a supernet, and no more
            self._help()
        self._forget_begun()
        self._write_config()
        foreseen = foresee(self, left) if foresee else {}
        self._remaining = Remaining(foreseen, self.execution.workers)
        try:
            tried: set[str] = set()
            while True:
                outcomes = self.study.store.outcomes()
                todo = [unit for unit in self.left(outcomes) if unit.identity not in tried]
                if not todo:
                    break
                tried |= {unit.identity for unit in todo}
                self._work(todo)
        finally:
            # Another process may have extended the study meanwhile: what the folder says counts.
            with self.study.alone("tables"):  # so that whoever is last has seen all
                self.study.gather(self._on_disk(), self.study.store.outcomes())
        return self.study

    def _forget_begun(self) -> None:
        """Remove what unfinished units have of code that was mended since they began."""
        outcomes = self.study.store.outcomes()
        for unit in self.config.units(outcomes) if self._mended else ():
            if unit.identity not in outcomes.done and uses(unit, self._mended):
                self._tidy(unit)
                supernet = self.study.folder / "supernets" / f"{unit.identity}.safetensors"
                supernet.unlink(missing_ok=True)

    def _tell_unsaved(self, outcomes: Outcomes) -> None:
        if not (self.execution.save_predictions or self.execution.save_weights):
            return
        units = [unit for unit in self.config.units(outcomes) if isinstance(unit, Training)]
        tell_unsaved(
            self.study.folder,
            [unit.identity for unit in units if unit.identity in outcomes.done],
            predictions=self.execution.save_predictions,
            weights=self.execution.save_weights,
        )

    def _write_config(self) -> None:
        """Write the configuration; what another process has added to it meanwhile stays."""
        path = self.study.config_path
        about = {**environment(), **self._code}
        with self.study.alone("config"):
            if not path.exists():
                self.config.write(path, about)
                return
            now = self._on_disk()
            refuse_another(self.study.folder, now, self.config.on_axes_of(now), self.suite)
            whole = self.config.added_to(now)
            if whole != now or changed_code(kept_digests(path), self._code):
                whole.write(path, about)

    def _on_disk(self) -> StudyConfig:
        return type(self.config).read(self.study.config_path)

    def _help(self) -> None:
        for unit in self.left(self.study.store.outcomes()):
            if unit.shares_out:
                unit.work(replace(self._place(unit, shown=False), noted=None))
        raise SystemExit(0)

    def _work(self, todo: Sequence[Unit]) -> None:
        engine, workers = self.execution.chosen_engine, self.execution.workers
        shared_out = engine != "here" and len(todo) == 1 and todo[0].shares_out
        apart = engine != "here" and not shared_out
        in_work: dict[str, Path] = {}
        ahead = dict.fromkeys(unit.identity for unit in todo)

        def assignments() -> Iterator[Assignment]:
            for number, unit in enumerate(todo, start=1):
                if not self._take(unit):  # another process has it
                    del ahead[unit.identity]
                    progress.advance(1)
                    continue
                seconds = self._remaining.seconds(ahead)
                left = "" if seconds is None or len(todo) == 1 else f" ({time_left(seconds)})"
                place = self._place(unit, shown=not apart)
                if apart:
                    in_work[unit.identity] = self.study.note_of(unit.identity)
                else:
                    place = replace(place, title=f"{number}/{len(todo)}{left} {unit.title}")
                if shared_out:
                    place = replace(place, engine=engine, workers=workers)
                yield Assignment(unit, place)

        with (
            meter(
                "units of work",
                len(todo),
                shown=apart,
                left=lambda: self._remaining.seconds(tuple(ahead)),
            ) as progress,
            following(progress, lambda: list(in_work.values())) if apart else nullcontext(),
        ):
            try:
                for assignment, result in engines.run(
                    engine if apart else "here", do, assignments(), workers
                ):
                    unit = assignment.unit
                    in_work.pop(unit.identity, None)
                    self._keep(unit, result)
                    self.study.locks.release(unit.identity)
                    self._remaining.done(unit.identity)
                    del ahead[unit.identity]
                    progress.advance(1, unit.title if apart else "")
            finally:
                self.study.locks.release_all()

    def _take(self, unit: Unit) -> bool:
        """Lock a unit, unless another process does it now or has done it meanwhile."""
        if not self.study.locks.take(unit.identity):
            return False
        if unit.identity in self.study.store.outcomes().done:
            self.study.locks.release(unit.identity)
            return False
        return True

    def _keep(self, unit: Unit, result: Result | engines.Failure) -> None:
        about = {"title": unit.title}
        if isinstance(result, Result):
            self.study.store.finish(unit.identity, result.tables, about)
            self._tidy(unit)
            return
        tried_again = {"passing": True} if result.passing else {}
        self.study.store.fail(unit.identity, result.error, result.details, {**about, **tried_again})
        print(f"nasneurn: failed: {unit.title}: {result.error}", file=sys.stderr)

    def _tidy(self, unit: Unit) -> None:
        """Remove what an unfinished unit kept, now that its result is."""
        for path in self.study.state.glob(f"{unit.identity}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _place(self, unit: Unit, *, shown: bool) -> Place:
        return Place(
            suite=self.suite.handle,
            folder=self.study.folder.resolve(),
            device=self.device.type,
            title=unit.title,
            shown=shown,
            noted=self.study.note_of(unit.identity),
            compiled=self.execution.compiled,
            save_predictions=self.execution.save_predictions,
            save_weights=self.execution.save_weights,
            tensorboard=self.execution.tensorboard,
            machines=self.execution.machines,
        )
