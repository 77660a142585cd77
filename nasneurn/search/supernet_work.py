"""One supernet from end to end: trained, its paths searched, the winner's weights kept.

Each stage is kept once done, in the study's folder of unfinished work. Killed at any moment and
started again, a supernet ends in the rows of one that was never interrupted.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import save

from nasneurn import engines
from nasneurn.algorithms import ERM
from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.networks.found import FoundArchitecture, choices_name
from nasneurn.progress import meter
from nasneurn.search.candidates import (
    Scorer,
    batches,
    calibration_batches,
    score_batch,
    supernet_path,
    trained_supernet,
)
from nasneurn.search.scores import Scores
from nasneurn.search.supernet_spaces import costs, space_to_train
from nasneurn.search.supernet_unit import Supernet
from nasneurn.seeds import stream
from nasneurn.studies.inputs import source_images
from nasneurn.studies.train import inherited_path
from nasneurn.studies.training_unit import SEARCHED
from nasneurn.studies.units import Place, Result, Row
from nasneurn.training.devices import LIGHTNING_PRECISION, process_rank
from nasneurn.training.fit import StepMonitor, averaging
from nasneurn.training.images import ShuffledBatches
from nasneurn.training.module import ClassificationModule
from nasneurn.training.tensorboard_curves import Curves
from search_spaces.batch_norms import recalibrate
from search_spaces.costs import latency, limit
from search_spaces.evolution import Candidate, EvolutionSettings, evolve
from search_spaces.interface import (
    Architecture,
    ModelSpace,
    activate,
    canonical_form,
    choices,
)
from search_spaces.nni_fixes import NNILightningModule
from search_spaces.sampling import PathRule, path_rule
from search_spaces.stem_choice import STEM_LABEL, without_stem
from search_spaces.supernet import save_supernets, subnet, train_supernet

#: Seconds of training that a killed search may lose.
CHECKPOINT_SECONDS = 20.0

#: Images in a forward pass whose time is a candidate's latency.
LATENCY_IMAGES = 32


class SupernetModule(ClassificationModule, NNILightningModule):
    """The training module in the type that NNI's evaluator asks for."""


class SupernetWork:
    """Does one supernet at a place."""

    def __init__(self, unit: Supernet, place: Place) -> None:
        self.unit = unit
        self.place = place
        self._folder = place.state / unit.identity
        self._cost = costs(unit)

    def result(self) -> Result:
        """Train and search; gives the candidates and what was found."""
        self.train()
        if process_rank():
            return Result()
        # Loaded also when just trained: a continued search must see the very same network.
        supernet = trained_supernet(self.unit, self.place)
        candidates = self._evolve(supernet)
        best = min(candidates, key=lambda candidate: candidate.rank)
        self._keep_weights(supernet, best)
        found = self._found(best).model_dump(mode="json")
        return Result({"evolution": self._rows(candidates), "found": [found]})

    # --- stage 1: the supernet ---

    def train(self) -> None:
        """Train the supernet, if that is not done."""
        unit, place = self.unit, self.place
        path = supernet_path(unit, place)
        if path.exists():
            return
        budget = unit.supernet
        torch.manual_seed(stream(unit.seed, "weights"))
        space = space_to_train(unit, place).to(memory_format=torch.channels_last)
        count = budget.steps * budget.accumulate
        device = torch.device(place.device)
        fit = source_images(place.suite.open(), unit.sources, unit.protocol, device).fit
        title, size = f"{place.title}: supernet", budget.batch_size
        with meter(title, count, shown=place.shown, per_step=size, noted=place.noted) as progress:
            train_supernet(
                space,
                SupernetModule(
                    budget.optimization, ERM(), budget.steps, stream(unit.seed, "steps")
                ),
                ShuffledBatches(fit, budget.batch_size, count, stream(unit.seed, "order")),
                path_of=self._path_of(space),
                folder=self._folder / "supernet",
                callbacks=[
                    StepMonitor(progress, budget.learning_rate),
                    *averaging(budget.ema),
                    *self._curves(),
                ],
                checkpoint_seconds=CHECKPOINT_SECONDS,
                accumulate=budget.accumulate,
                accelerator=device.type,
                precision=LIGHTNING_PRECISION[unit.precision],
                **place.machines.trainer_options,
            )
        if process_rank():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {**unit.space.model_dump(mode="json"), "stem": str(unit.stem)}
        save_supernets(path, {unit.identity: space.state_dict()}, about)
        shutil.rmtree(self._folder / "supernet", ignore_errors=True)

    def _curves(self) -> list[Curves]:
        unit, place = self.unit, self.place
        if not place.tensorboard or process_rank():
            return []
        return [Curves(place.curves, unit.title, unit.identity, unit.supernet.batch_size)]

    def _path_of(self, space: ModelSpace) -> PathRule:
        budget, seed = self.unit.supernet, stream(self.unit.seed, "paths")
        return path_rule(
            budget.sampling, space, seed=seed, costs=self._cost, accumulate=budget.accumulate
        )

    # --- stage 2: the evolution ---

    def _evolve(self, supernet: ModelSpace) -> list[Candidate]:
        budget, place = self.unit.supernet, self.place
        scorer = Scorer(self.unit, place, supernet)
        known = Scores(self._folder / "scores.jsonl")

        def evaluate(architectures: Sequence[Architecture]) -> Iterator[float]:
            if place.engine != "here":
                self._score_apart(do, architectures, known)
            for architecture in architectures:
                name = choices_name(architecture)
                if name not in known:
                    known.add(name, scorer(architecture))
                yield known[name]

        best = 0.0

        def seen(candidate: Candidate) -> None:
            nonlocal best
            best = max(best, candidate.score)
            progress.advance(1, f"best {best:.1%}")

        settings = EvolutionSettings(budget.population, budget.generations, budget.parents)
        total = settings.population * settings.generations
        title = f"{place.title}: evolution"
        with (
            engines.working(place.engine, score_batch, place.workers) as do,
            meter(title, total, shown=place.shown, noted=place.noted) as progress,
        ):
            return evolve(
                choices(supernet),
                evaluate,
                self._cost,
                settings=settings,
                seed=stream(self.unit.seed, "evolution"),
                burden=self._burden(supernet),
                within=limit(self._cost, self.unit.max_flops, self.unit.max_params),
                canonical=canonical_form(supernet),
                seen=seen,
            )

    def _score_apart(
        self, do: engines.Do, architectures: Sequence[Architecture], known: Scores
    ) -> None:
        place = self.place
        left = [one for one in architectures if choices_name(one) not in known]
        inside = replace(place, engine="here", workers=1, shown=False)
        shared = batches(self.unit, inside, left, place.workers)
        for batch, scores in do(shared):
            if isinstance(scores, engines.Failure):
                raise InputError(f"{self.unit.title}: {scores.error}")
            for architecture, score in zip(batch.architectures, scores, strict=True):
                known.add(choices_name(architecture), score)

    def _burden(self, supernet: ModelSpace) -> Callable[[Architecture], float]:
        """What the evolution lowers beside the error."""
        objective = self.unit.objective
        if objective == "accuracy":
            return lambda architecture: 0.0
        if objective != "latency":
            return lambda architecture: float(getattr(self._cost(architecture), objective))
        # Remembered, so that a search that is continued sees the times that it saw.
        times = Scores(self._folder / "latencies.jsonl")
        images = calibration_batches(self.unit, self.place)[0][:LATENCY_IMAGES]

        def seconds(architecture: Architecture) -> float:
            name = choices_name(architecture)
            if name not in times:
                activate(supernet, architecture)
                times.add(name, latency(supernet, images))
            return times[name]

        return seconds

    # --- stage 3: what the winner leaves behind ---

    def _keep_weights(self, supernet: ModelSpace, best: Candidate) -> None:
        """The winner's weights with batch-norm statistics of its own, without the stem."""
        network = subnet(supernet, best.architecture)
        recalibrate(network, calibration_batches(self.unit, self.place))
        plain = self.unit.space.network(best.architecture).state_dict()
        weights = network.state_dict()
        # A space that takes no stem stands in another, which has one.
        kept = {
            name: weights[name if name in weights else f"space.{name}"].cpu().contiguous()
            for name in plain
        }
        path = inherited_path(self.place, self.unit.identity)
        with written_atomically(path) as draft:
            draft.write_bytes(save(kept, metadata={"name": self.unit.name}))

    def _found(self, best: Candidate) -> FoundArchitecture:
        unit = self.unit
        stem = (
            Choice.parse(str(best.architecture[STEM_LABEL])) if unit.stem == SEARCHED else unit.stem
        )
        return FoundArchitecture(
            name=unit.name,
            space=unit.space.space,
            settings=unit.space.settings,
            choices=without_stem(best.architecture),
            stem=stem,
            searched_stem=str(unit.stem),
            suite=unit.suite,
            source=unit.source,
            seed=unit.seed,
            selected_under=unit.select_under,
            held_out_accuracy=best.score,
            flops=best.cost.flops,
            params=best.cost.params,
            supernet=unit.identity,
        )

    def _rows(self, candidates: Sequence[Candidate]) -> list[Row]:
        rows: list[dict[str, Any]] = [
            {
                "supernet": self.unit.identity,
                **self.unit.group,
                "generation": candidate.generation,
                "choices": choices_name(candidate.architecture),
                "flops": candidate.cost.flops,
                "params": candidate.cost.params,
                "held_out_accuracy": candidate.score,
            }
            for candidate in candidates
        ]
        if self.unit.objective == "latency":
            for row, candidate in zip(rows, candidates, strict=True):
                row["latency"] = candidate.burden
        return rows
