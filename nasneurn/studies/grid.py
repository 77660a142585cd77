"""The grid from end to end: its jobs, the engine that does them, and the tables at the end."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nasneurn import engines
from nasneurn.domains import Suite, load_suite
from nasneurn.environment import environment
from nasneurn.errors import InputError
from nasneurn.progress import meter
from nasneurn.stems import create_stem
from nasneurn.studies.config import BenchConfig
from nasneurn.studies.job import Job
from nasneurn.studies.outputs import BenchOutputs
from nasneurn.studies.training_job import (
    Assignment,
    Record,
    run_job,
    source_images,
)
from nasneurn.training import SourceImages, choose_device


def jobs_of(config: BenchConfig, suite: Suite) -> list[Job]:
    """All jobs of a grid, seeds outermost, so that a table fills evenly."""
    return [
        Job(
            suite=suite.name,
            content=suite.content,
            image_size=config.image_size,
            backbone=backbone,
            stem=stem,
            source=source,
            seed=seed,
            budget=config.budget,
            precision=config.precision,
        )
        for seed in config.seeds
        for backbone in config.backbones
        for source in config.sources
        for stem in config.stems
    ]


@dataclass(frozen=True)
class ImageCounts:
    """How many images a training sees: to fit, to select, and of the targets."""

    fit: int
    held_out: int
    test: int


class Grid:
    """A configuration bound to its folder and its data.

    With ``extend`` the folder may hold a smaller grid, whose trainings are kept: the two are one
    grid then.

    Raises:
        InputError: the folder holds another grid, or the configuration cannot be run: told before
            the first training.
    """

    def __init__(
        self,
        config: BenchConfig,
        out: Path,
        *,
        device: str = "auto",
        data_dir: Path | None = None,
        compiled: bool = False,
        extend: bool = False,
    ) -> None:
        self.outputs = BenchOutputs(out)
        alike = config
        if extend and self.outputs.config_path.exists():
            before = self.outputs.config()
            config = config.added_to(before)
            alike = config.model_copy(update=before.axes)
        alike.check_folder(self.outputs.config_path, "grid")
        self.config = config
        self.device = choose_device(device)
        self._data_dir = data_dir
        self._compiled = compiled
        self._suite = load_suite(config.suite, data_dir=data_dir, size=config.image_size)
        self._check()
        self.jobs = jobs_of(config, self._suite)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the suite."""
        return self._suite.classes

    def left(self, *, retry_failed: bool = False) -> list[Job]:
        """The jobs that are not done, and have not failed unless these are tried again."""
        outcomes = self.outputs.store.outcomes()
        over = set(outcomes.done) | (set() if retry_failed else set(outcomes.failed))
        return [job for job in self.jobs if job.identity not in over]

    def image_counts(self) -> ImageCounts:
        """Images of a training: means over the sources, and the test images of all domains."""
        sources = [self._source(name) for name in self.config.sources]
        return ImageCounts(
            fit=sum(len(images.fit) for images in sources) // len(sources),
            held_out=sum(len(images.held_out) for images in sources) // len(sources),
            test=sum(len(self._suite.load(name).test) for name in self._suite.domains),
        )

    def _source(self, name: str) -> SourceImages:
        budget = self.config.budget
        return source_images(
            self.config.suite,
            self.config.image_size,
            self._data_dir,
            name,
            budget.train_images,
            budget.hold_out,
            self.device,
        )

    def _check(self) -> None:
        suite, budget = self._suite, self.config.budget
        if len(suite.domains) < 2:
            raise InputError(
                f"suite {suite.name} has one domain; measuring across domains needs two or more"
            )
        for stem in self.config.stems:
            create_stem(stem.name, **stem.options)
        for source in self.config.sources:
            if source not in suite.domains:
                raise InputError(
                    f"source {source!r} is not a domain of {suite.name}; "
                    f"it has {', '.join(suite.domains)}"
                )
            images = self._source(source)
            if len(images.fit) < budget.batch_size:
                raise InputError(
                    f"batch size {budget.batch_size} is larger than the {len(images.fit)} "
                    f"training images of {source}"
                )

    def run(self, *, engine: str, workers: int, retry_failed: bool = False) -> None:
        """Do the jobs that are not done, and write the tables.

        A job that fails is recorded, and the others go on. Killed at any moment and run again, the
        grid continues. Jobs that another process is doing at the time are left to it.
        """
        self.outputs.state.mkdir(parents=True, exist_ok=True)
        if not self.outputs.config_path.exists() or self.outputs.config() != self.config:
            self.config.write(self.outputs.config_path, environment())
        try:
            self._work(self.left(retry_failed=retry_failed), engine, workers)
        finally:
            self.outputs.gather(self.jobs)

    def _work(self, todo: Sequence[Job], engine: str, workers: int) -> None:
        claims = self.outputs.claims
        held: set[str] = set()
        apart = engine != "here"

        def assignments() -> Iterator[Assignment]:
            for number, job in enumerate(todo, start=1):
                if claims.take(job.identity):
                    held.add(job.identity)
                    title = f"{number}/{len(todo)} {job.title}"
                    yield self._assignment(job, title, shown=not apart)

        try:
            with meter("trainings", len(todo), shown=apart) as progress:
                for assignment, result in engines.run(engine, run_job, assignments(), workers):
                    self._keep(assignment.job, result)
                    claims.release(assignment.job.identity)
                    held.discard(assignment.job.identity)
                    progress.advance(1, assignment.job.title)
        finally:
            for identity in held:
                claims.release(identity)

    def _keep(self, job: Job, result: Record | engines.Failure) -> None:
        about = {"architecture": job.backbone.name, "title": job.title}
        if isinstance(result, Record):
            self.outputs.store.finish(job.identity, result.rows, result.history, about)
            return
        self.outputs.store.fail(job.identity, result.error, {**about, "details": result.details})
        print(f"nasneurn: failed: {job.title}: {result.error}", file=sys.stderr)

    def _assignment(self, job: Job, title: str, *, shown: bool) -> Assignment:
        return Assignment(
            job=job,
            suite=self.config.suite,
            data_dir=self._data_dir,
            state=self.outputs.state.resolve(),
            device=self.device.type,
            title=title,
            shown=shown,
            compiled=self._compiled,
        )
