"""The search from end to end: supernet, evolution, and the winner on every domain.

Each (source, stem, seed) keeps its state in ``OUT/state/<run>`` until the whole search is done.
Killed at any moment and started again, it ends in the rows of a run that was never interrupted.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from nasneurn import engines
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.networks.spaces import SPACES, SpaceChoice, architecture_name
from nasneurn.progress import meter
from nasneurn.search.candidates import Scorer, batches, score_batch
from nasneurn.search.config import SearchConfig
from nasneurn.search.jobs import Job, JobWork, train_alone
from nasneurn.search.outputs import Evaluations, Outputs
from nasneurn.seeds import stream
from nasneurn.training import (
    ALONE,
    LIGHTNING_PRECISION,
    ClassificationModule,
    DeviceImages,
    Machines,
    MeterCallback,
    averaging,
    choose_device,
    process_rank,
)
from nasneurn.training.evaluation import accuracy
from search_spaces.conformance import check_space
from search_spaces.costs import latency, limit
from search_spaces.evolution import Candidate, EvolutionSettings, evolve
from search_spaces.interface import Architecture, ModelSpace, activate, canonical_form, choices
from search_spaces.nni_fixes import NNILightningModule
from search_spaces.sampling import PathRule, path_rule
from search_spaces.supernet import (
    load_weights,
    recalibrate,
    save_supernets,
    subnet,
    train_supernet,
)

#: Seconds of training that a killed search may lose.
CHECKPOINT_SECONDS = 20.0

#: Images in a forward pass whose time is a candidate's latency.
LATENCY_IMAGES = 32


class SupernetModule(ClassificationModule, NNILightningModule):
    """The training module in the type that NNI's evaluator asks for."""


def run_search(
    config: SearchConfig,
    out: Path,
    *,
    device: str = "auto",
    data_dir: Path | None = None,
    engine: str = "here",
    workers: int = 1,
    machines: Machines = ALONE,
) -> Outputs:
    """Run a search, or continue one, and write its outputs into ``out``.

    Raises:
        InputError: the folder holds another search, or the input cannot be used.
    """
    outputs = Outputs(out)
    config.check_folder(outputs.config_path, "search")
    if outputs.complete:
        return outputs
    if machines.several and engine != "here":
        raise InputError("several --devices train one supernet at a time: not with --workers")
    works = all_work(config, outputs, choose_device(device), data_dir, machines)
    if config.space not in SPACES:
        check_space(works[0].choice.build, (3, config.image_size, config.image_size))
    runners = [JobRunner(work) for work in works]
    if process_rank():  # one of several processes that train, and no more
        for runner in runners:
            runner.train()
        raise SystemExit(0)
    outputs.begin(config)
    records: list[dict[str, Any]] = []
    for record in _records(runners, engine, workers):
        records.append(record)
        outputs.write(records)
    spaces = {runner.work.job.name: runner.work.choice.about for runner in runners}
    weights = {
        runner.work.job.name: load_weights(runner.work.supernet_path, runner.work.job.name)
        for runner in runners
    }
    save_supernets(outputs.supernet_path, weights, spaces)
    shutil.rmtree(outputs.state)
    return outputs


def all_work(
    config: SearchConfig,
    outputs: Outputs,
    device: torch.device,
    data_dir: Path | None,
    machines: Machines = ALONE,
) -> list[JobWork]:
    """All supernets of a search, seeds outermost, so that a table fills evenly.

    Raises:
        InputError: a source that is no domain of the suite, or a space or stem that does not exist.
    """
    suite = load_suite(config.suite, data_dir=data_dir, size=config.image_size)
    for name in config.sources:
        if name not in suite.domains:
            raise InputError(
                f"source {name!r} is not a domain of {suite.name}; "
                f"it has {', '.join(suite.domains)}"
            )
    return [
        JobWork(
            config=config,
            job=Job(source, stem, seed),
            choice=SpaceChoice.of(
                config.space, stem, len(suite.classes), config.image_size, config.budget
            ),
            state=outputs.state.resolve(),
            data_dir=data_dir,
            device=device,
            machines=machines,
        )
        for seed in config.seeds
        for source in config.sources
        for stem in config.stems
    ]


def _records(runners: Sequence["JobRunner"], engine: str, workers: int) -> Iterator[dict[str, Any]]:
    """The record of every job, in order.

    Several workers share out the supernets; where a single one is left, its candidates.
    """
    left = [runner.work for runner in runners if not runner.done]
    if engine != "here" and len(left) > 1:
        with meter("supernets", len(left)) as progress:
            for work, result in engines.run(engine, do_job, iter(left), workers):
                if isinstance(result, engines.Failure):
                    raise InputError(f"{work.job.name}: {result.error}")
                progress.advance(1, work.job.name)
        engine = "here"
    for number, runner in enumerate(runners, start=1):
        yield runner.record(f"{number}/{len(runners)} {runner.work.job.name}", engine, workers)


def do_job(work: JobWork) -> None:
    """Do one job in a worker; its record is kept in its folder."""
    JobRunner(work, shown=False).record(work.job.name)


class JobRunner:
    """Runs one job, in stages that are each kept once done.

    What cannot work fails at construction, before the first supernet: an unknown stem, say, or a
    limit that no architecture meets.
    """

    def __init__(self, work: JobWork, *, shown: bool = True) -> None:
        self.work = work
        self._config = work.config
        self._shown = shown
        self._cost = work.costs()
        self._within = limit(self._cost, self._config.max_flops, self._config.max_params)
        self._path_of(work.choice.build())  # a sampling rule that cannot be

    @property
    def _record_path(self) -> Path:
        return self.work.folder / "record.json"

    @property
    def done(self) -> bool:
        """Whether the record is there."""
        return self._record_path.exists()

    def record(self, title: str, engine: str = "here", workers: int = 1) -> dict[str, Any]:
        """What this job found: ``architecture``, ``rows`` and ``candidates``."""
        if self.done:
            return json.loads(self._record_path.read_text())  # type: ignore[no-any-return]
        self.train(title)
        # Loaded also when just trained: a continued search must see the very same network.
        supernet = self.work.load_supernet()
        candidates = self._evolve(supernet, title, engine, workers)
        best = min(candidates, key=lambda candidate: candidate.rank)
        record = {
            "architecture": self._describe(best),
            "rows": list(self._rows(supernet, best, title)),
            "candidates": self._candidate_rows(candidates),
        }
        with written_atomically(self._record_path) as draft:
            draft.write_text(json.dumps(record))
        return record

    # --- stage 1: the supernet ---

    def train(self, title: str = "") -> None:
        """Train the supernet, if that is not done."""
        if self.done or self.work.supernet_path.exists():
            return
        budget, job, choice = self._config.budget, self.work.job, self.work.choice
        torch.manual_seed(stream(job.seed, "weights"))
        space = choice.build().to(memory_format=torch.channels_last)
        count = budget.steps * budget.accumulate
        with meter(f"{title}: supernet", count, shown=self._shown) as progress:
            train_supernet(
                space,
                SupernetModule(self.work.recipe, budget.steps, stream(job.seed, "steps")),
                self.work.training_batches(count),
                path_of=self._path_of(space),
                folder=self.work.folder / "supernet",
                callbacks=[MeterCallback(progress), *averaging(budget.ema)],
                checkpoint_seconds=CHECKPOINT_SECONDS,
                accumulate=budget.accumulate,
                accelerator=self.work.device.type,
                precision=LIGHTNING_PRECISION[self._config.precision],
                **self.work.machines.trainer_options,
            )
        if process_rank():
            return
        weights = {job.name: space.state_dict()}
        save_supernets(self.work.supernet_path, weights, choice.about)
        shutil.rmtree(self.work.folder / "supernet")

    def _path_of(self, space: ModelSpace) -> PathRule:
        budget, seed = self._config.budget, stream(self.work.job.seed, "paths")
        return path_rule(
            budget.sampling, space, seed=seed, costs=self._cost, accumulate=budget.accumulate
        )

    # --- stage 2: the evolution ---

    def _evolve(
        self, supernet: ModelSpace, title: str, engine: str, workers: int
    ) -> list[Candidate]:
        budget = self._config.budget
        scorer = Scorer(self.work, supernet)
        known = Evaluations(self.work.folder / "evaluations.jsonl")

        def evaluate(architectures: Sequence[Architecture]) -> Iterator[float]:
            if engine != "here":
                self._score_apart(architectures, known, engine, workers)
            for architecture in architectures:
                name = architecture_name(architecture)
                if name not in known:
                    known.add(name, scorer(architecture))
                yield known[name]

        settings = EvolutionSettings(budget.population, budget.generations, budget.parents)
        total = settings.population * settings.generations
        with meter(f"{title}: evolution", total, shown=self._shown) as progress:
            return evolve(
                choices(supernet),
                evaluate,
                self._cost,
                settings=settings,
                seed=stream(self.work.job.seed, "evolution"),
                burden=self._burden(supernet),
                within=self._within,
                canonical=canonical_form(supernet),
                seen=lambda candidate: progress.advance(1, f"{candidate.score:.1%}"),
            )

    def _score_apart(
        self,
        architectures: Sequence[Architecture],
        known: Evaluations,
        engine: str,
        workers: int,
    ) -> None:
        left = [one for one in architectures if architecture_name(one) not in known]
        for batch, scores in engines.run(
            engine, score_batch, batches(self.work, left, workers), workers
        ):
            if isinstance(scores, engines.Failure):
                raise InputError(f"{self.work.job.name}: {scores.error}")
            for architecture, score in zip(batch.architectures, scores, strict=True):
                known.add(architecture_name(architecture), score)

    def _burden(self, supernet: ModelSpace) -> Callable[[Architecture], float]:
        """What the evolution lowers beside the error."""
        objective = self._config.objective
        if objective == "accuracy":
            return lambda architecture: 0.0
        if objective != "latency":
            return lambda architecture: float(getattr(self._cost(architecture), objective))
        # Remembered, so that a search that is continued sees the times that it saw.
        times = Evaluations(self.work.folder / "latencies.jsonl")
        images = self.work.calibration_batches()[0][:LATENCY_IMAGES]

        def seconds(architecture: Architecture) -> float:
            name = architecture_name(architecture)
            if name not in times:
                activate(supernet, architecture)
                times.add(name, latency(supernet, images))
            return times[name]

        return seconds

    # --- stage 3: the winner on every domain ---

    def _rows(self, supernet: ModelSpace, best: Candidate, title: str) -> Iterator[dict[str, Any]]:
        inherited = subnet(supernet, best.architecture)
        recalibrate(inherited, self.work.calibration_batches())
        networks = {"inherited": inherited}
        if self._config.retrain:
            steps = self._config.budget.retrain_steps
            with meter(f"{title}: retraining", steps, shown=self._shown) as progress:
                networks["retrained"] = train_alone(self.work, best.architecture, progress)
        config = self._config
        suite = load_suite(config.suite, data_dir=self.work.data_dir, size=config.image_size)
        for target in suite.domains:
            images = DeviceImages.of(suite.load(target).test, self.work.device)
            for weights, network in networks.items():
                yield {
                    **self.work.identity,
                    "target": target,
                    "weights": weights,
                    "chosen_stem": self.work.choice.chosen_stem(best.architecture),
                    "accuracy": accuracy(network, images),
                    "n": len(images),
                    "architecture": architecture_name(best.architecture),
                    "flops": best.cost.flops,
                    "params": best.cost.params,
                    "device": self.work.device.type,
                }

    # --- rows ---

    def _describe(self, best: Candidate) -> dict[str, Any]:
        return {
            "run": self.work.job.name,
            **self.work.choice.about,
            "source": self.work.job.source,
            "seed": self.work.job.seed,
            "architecture": best.architecture,
            "flops": best.cost.flops,
            "params": best.cost.params,
            "source_accuracy": best.score,
        }

    def _candidate_rows(self, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
        rows = [
            {
                **self.work.identity,
                "generation": candidate.generation,
                "architecture": architecture_name(candidate.architecture),
                "flops": candidate.cost.flops,
                "params": candidate.cost.params,
                "source_accuracy": candidate.score,
            }
            for candidate in candidates
        ]
        if self._config.objective == "latency":
            for row, candidate in zip(rows, candidates, strict=True):
                row["latency"] = candidate.burden
        return rows
