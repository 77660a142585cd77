"""The search from end to end: supernet, evolution, and the winner on every domain.

Each (source, stem, seed) keeps its state in ``OUT/state/<run>`` until the whole search is done.
Killed at any moment and started again, it ends in the rows of a run that was never interrupted.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nasneurn.domains import Split, Suite, hold_out, load_suite, subsample
from nasneurn.domains.atomic import written_atomically
from nasneurn.errors import InputError
from nasneurn.evaluation import accuracy
from nasneurn.progress import meter
from nasneurn.search.config import SearchConfig, StemChoice
from nasneurn.search.outputs import Outputs
from nasneurn.search.spaces import SpaceChoice, architecture_name
from nasneurn.seeds import stream
from nasneurn.training import (
    ClassificationModule,
    DeviceImages,
    MeterCallback,
    Recipe,
    ShuffledBatches,
    SourceImages,
    as_pixels,
    choose_device,
    fit,
)
from search_spaces.costs import CostTable
from search_spaces.evolution import Candidate, EvolutionSettings, evolve
from search_spaces.nni_fixes import Architecture, ModelSpace, NNILightningModule, choices
from search_spaces.supernet import (
    load_supernet,
    recalibrate,
    recalibrated,
    save_supernets,
    subnet,
    train_supernet,
)

#: Seconds of training that a killed search may lose.
CHECKPOINT_SECONDS = 20.0


class SupernetModule(ClassificationModule, NNILightningModule):
    """The training module in the type that NNI's evaluator asks for."""


@dataclass(frozen=True)
class Job:
    """One supernet with its evolution."""

    source: str
    stem: StemChoice
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder and of its supernet: ``mnist-neurn-0``."""
        return f"{self.source}-{self.stem}-{self.seed}".replace("/", "_")


def run_search(
    config: SearchConfig, out: Path, *, device: str = "auto", data_dir: Path | None = None
) -> Outputs:
    """Run a search, or continue one, and write its outputs into ``out``.

    Raises:
        InputError: the folder holds another search, or the input cannot be used.
    """
    outputs = Outputs(out)
    if outputs.config_path.exists():
        before = SearchConfig.read(outputs.config_path)
        if before != config:
            raise InputError(
                f"{out} holds another search ({'; '.join(before.differences(config))}); "
                "choose another --out, or delete it"
            )
        if outputs.complete:
            return outputs
    suite = load_suite(config.suite, data_dir=data_dir, size=config.image_size)
    search = Search(config, outputs, suite, choose_device(device))
    search.run()
    return outputs


class Search:
    """The state that the jobs of one search share."""

    def __init__(
        self, config: SearchConfig, outputs: Outputs, suite: Suite, device: torch.device
    ) -> None:
        self.config = config
        self.outputs = outputs
        self.suite = suite
        self.device = device
        self._loaded: dict[str, SourceImages] = {}
        self._costs: dict[str, CostTable] = {}

    @property
    def jobs(self) -> list[Job]:
        """All supernets of the search, seeds outermost, so that a table fills evenly."""
        return [
            Job(source, stem, seed)
            for seed in self.config.seeds
            for source in self.config.sources
            for stem in self.config.stems
        ]

    def run(self) -> None:
        """Run every job that is not done, then gather the supernets."""
        for name in self.config.sources:
            if name not in self.suite.domains:
                raise InputError(
                    f"source {name!r} is not a domain of {self.suite.name}; "
                    f"it has {', '.join(self.suite.domains)}"
                )
        # What cannot work should fail now, not after the first supernet: an unknown stem, say, or
        # a limit that no architecture meets.
        runners = [JobRunner(job, self) for job in self.jobs]
        self.outputs.begin(self.config)
        records: list[dict[str, Any]] = []
        for number, runner in enumerate(runners, start=1):
            records.append(runner.record(f"{number}/{len(runners)} {runner.job.name}"))
            self.outputs.write(records)
        spaces = {runner.job.name: runner.choice.about for runner in runners}
        weights = {runner.job.name: runner.load_supernet().state_dict() for runner in runners}
        save_supernets(self.outputs.supernet_path, weights, spaces)
        shutil.rmtree(self.outputs.state)

    def source(self, name: str) -> SourceImages:
        """The images of a source, loaded once."""
        if name not in self._loaded:
            fit, held_out = hold_out(self.suite.load(name).train)
            held_out = subsample(held_out, self.config.budget.selection_images)
            self._loaded = {name: SourceImages(self._on_device(fit), self._on_device(held_out))}
        return self._loaded[name]

    def costs(self, choice: SpaceChoice) -> CostTable:
        """Costs of all architectures of a space, counted once for each stem."""
        stem = str(choice.stem)
        if stem not in self._costs:
            self._costs[stem] = CostTable(choice.build, (3, self.suite.size, self.suite.size))
        return self._costs[stem]

    def test(self, name: str) -> DeviceImages:
        """The test images of a domain."""
        return self._on_device(self.suite.load(name).test)

    def _on_device(self, split: Split) -> DeviceImages:
        return DeviceImages.of(split, self.device)


class JobRunner:
    """Runs one job, in stages that are each kept once done."""

    def __init__(self, job: Job, search: Search) -> None:
        self.job = job
        self._search = search
        self._config = search.config
        self._folder = search.outputs.state / job.name
        self.choice = SpaceChoice.of(
            self._config.space,
            job.stem,
            len(search.suite.classes),
            search.suite.size,
            self._config.budget,
        )
        self._cost = search.costs(self.choice)
        self._within = self._cost.limit(self._config.max_flops, self._config.max_params)

    def record(self, title: str) -> dict[str, Any]:
        """What this job found: ``architecture``, ``rows`` and ``candidates``."""
        path = self._folder / "record.json"
        if path.exists():
            return json.loads(path.read_text())  # type: ignore[no-any-return]
        supernet = self._supernet(title)
        candidates = self._evolve(supernet, title)
        best = min(candidates, key=lambda candidate: candidate.rank)
        record = {
            "architecture": self._describe(best),
            "rows": list(self._rows(supernet, best, title)),
            "candidates": [self._candidate_row(candidate) for candidate in candidates],
        }
        with written_atomically(path) as draft:
            draft.write_text(json.dumps(record))
        return record

    # --- stage 1: the supernet ---

    @property
    def _supernet_path(self) -> Path:
        return self._folder / "supernet.safetensors"

    def load_supernet(self) -> ModelSpace:
        """The trained supernet of this job."""
        supernet = load_supernet(self._supernet_path, self.job.name, self.choice.build())
        return supernet.to(self._search.device).eval()

    def _supernet(self, title: str) -> ModelSpace:
        if not self._supernet_path.exists():
            self._train_supernet(title)
        # Loaded also when just trained: a continued search must see the very same network.
        return self.load_supernet()

    def _train_supernet(self, title: str) -> None:
        budget = self._config.budget
        torch.manual_seed(stream(self.job.seed, "weights"))
        space = self.choice.build().to(memory_format=torch.channels_last)
        with meter(f"{title}: supernet", budget.steps * budget.accumulate) as progress:
            train_supernet(
                space,
                SupernetModule(self._recipe, budget.steps, stream(self.job.seed, "steps")),
                self._training_batches(budget.steps * budget.accumulate),
                seed=stream(self.job.seed, "paths"),
                folder=self._folder / "supernet",
                callbacks=[MeterCallback(progress)],
                checkpoint_seconds=CHECKPOINT_SECONDS,
                accumulate=budget.accumulate,
                accelerator=self._search.device.type,
                devices=1,
            )
        save_supernets(self._supernet_path, {self.job.name: space.state_dict()}, self.choice.about)
        shutil.rmtree(self._folder / "supernet")

    def _training_batches(self, count: int) -> ShuffledBatches:
        fit = self._search.source(self.job.source).fit
        size = self._config.budget.batch_size
        return ShuffledBatches(fit, size, count, stream(self.job.seed, "order"))

    @property
    def _recipe(self) -> Recipe:
        budget = self._config.budget
        return Recipe(
            learning_rate=budget.learning_rate,
            weight_decay=budget.weight_decay,
            shift=budget.shift,
        )

    # --- stage 2: the evolution ---

    def _evolve(self, supernet: ModelSpace, title: str) -> list[Candidate]:
        budget = self._config.budget
        held_out = self._search.source(self.job.source).held_out
        calibration = self._calibration_batches()
        known = self._search.outputs.evaluations(self._folder)

        def evaluate(architecture: Architecture) -> float:
            name = architecture_name(architecture)
            if name not in known:
                with recalibrated(supernet, architecture, calibration) as network:
                    known.add(name, accuracy(network, held_out))
            return known[name]

        settings = EvolutionSettings(budget.population, budget.generations, budget.parents)
        total = settings.population * settings.generations
        with meter(f"{title}: evolution", total) as progress:
            return evolve(
                choices(supernet),
                evaluate,
                self._cost,
                settings=settings,
                seed=stream(self.job.seed, "evolution"),
                within=self._within,
                seen=lambda candidate: progress.advance(1, f"{candidate.score:.1%}"),
            )

    def _calibration_batches(self) -> list[torch.Tensor]:
        """Source images that set batch-norm statistics: the same for every candidate."""
        fit = self._search.source(self.job.source).fit
        rng = np.random.default_rng(stream(self.job.seed, "calibration"))
        count = min(self._config.budget.calibration_images, len(fit))
        rows = torch.from_numpy(rng.permutation(len(fit))[:count]).to(fit.labels.device)
        return [as_pixels(fit.images[chosen]) for chosen in rows.split(256)]

    # --- stage 3: the winner on every domain ---

    def _rows(self, supernet: ModelSpace, best: Candidate, title: str) -> Iterator[dict[str, Any]]:
        inherited = subnet(supernet, best.architecture)
        recalibrate(inherited, self._calibration_batches())
        networks = {"inherited": inherited}
        if self._config.retrain:
            networks["retrained"] = self._retrain(best.architecture, title)
        for target in self._search.suite.domains:
            images = self._search.test(target)
            for weights, network in networks.items():
                yield {
                    **self._identity,
                    "target": target,
                    "weights": weights,
                    "accuracy": accuracy(network, images),
                    "n": len(images),
                    "architecture": architecture_name(best.architecture),
                    "flops": best.cost.flops,
                    "params": best.cost.params,
                    "device": self._search.device.type,
                }

    def _retrain(self, architecture: Architecture, title: str) -> nn.Module:
        steps = self._config.budget.retrain_steps
        torch.manual_seed(stream(self.job.seed, "retrain"))
        network = self.choice.network(architecture).to(memory_format=torch.channels_last)
        with meter(f"{title}: retraining", steps) as progress:
            loader = self._training_batches(steps)
            seed = stream(self.job.seed, "retrain steps")
            fit(network, loader, self._recipe, seed, self._search.device, progress)
        return network.to(self._search.device).eval()

    # --- rows ---

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "space": self._config.space,
            "suite": self._search.suite.name,
            "budget": self._config.budget_name,
            "source": self.job.source,
            "stem": str(self.job.stem),
            "seed": self.job.seed,
        }

    def _describe(self, best: Candidate) -> dict[str, Any]:
        return {
            "run": self.job.name,
            **self.choice.about,
            "source": self.job.source,
            "seed": self.job.seed,
            "architecture": best.architecture,
            "flops": best.cost.flops,
            "params": best.cost.params,
            "source_accuracy": best.score,
        }

    def _candidate_row(self, candidate: Candidate) -> dict[str, Any]:
        return {
            **self._identity,
            "generation": candidate.generation,
            "architecture": architecture_name(candidate.architecture),
            "flops": candidate.cost.flops,
            "params": candidate.cost.params,
            "source_accuracy": candidate.score,
        }
