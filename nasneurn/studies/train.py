"""One training done: train on the sources, keep what is best there, measure on every target."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from nasneurn.algorithms import ALGORITHMS
from nasneurn.environment import environment
from nasneurn.errors import InputError, one_line
from nasneurn.files import opened
from nasneurn.networks.build import create_network
from nasneurn.networks.placement import describe_placed
from nasneurn.progress import meter
from nasneurn.seeds import stream
from nasneurn.studies.inputs import oracle_images, source_images, test_images
from nasneurn.studies.model_card import PREFIX, about_model, write_card
from nasneurn.studies.parts import tested_part
from nasneurn.studies.placing import assembled, inputs_of, mix_weight
from nasneurn.studies.recalibration import recalibrate_training
from nasneurn.studies.saved import predictions_path, save_predictions, save_weights, weights_path
from nasneurn.studies.starting_weights import body_of, start
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Place, Result, Row
from nasneurn.training.captured import CannotCapture
from nasneurn.training.devices import LIGHTNING_PRECISION
from nasneurn.training.early_stopping import HeldOutSelection, OracleSelection
from nasneurn.training.evaluation import Answers, accuracy, answers
from nasneurn.training.fit import UnfitState, fit
from nasneurn.training.images import ShuffledBatches
from nasneurn.training.memory import out_of_memory
from nasneurn.training.metrics import Metrics, metrics
from nasneurn.training.tensorboard_curves import Curves
from search_spaces.checkpointing import TimedCheckpoint, discard, readable_state

#: Seconds of training that a killed study may lose.
CHECKPOINT_SECONDS = 20.0


def train_and_measure(training: Training, place: Place) -> Result:
    """Do a training; killed and called again, it continues and gives the same rows.

    Where the memory does not hold a batch, it is halved once and gradients are accumulated. A state
    that does not fit the training, as of another version of a library, is given up. A network whose
    steps cannot be captured is trained without.
    """
    capture = True
    while True:
        try:
            return _within_memory(training, place, capture=capture)
        except UnfitState as unfit:
            discard(unfit.path, unfit.error)
            if unfit.path.exists():
                raise
        except CannotCapture:
            capture = False


def _within_memory(training: Training, place: Place, *, capture: bool) -> Result:
    if _checkpoint(training, place, halves=2).is_file():  # it goes on as it was begun
        return _Work(training, place, halves=2).result()
    try:
        return _Work(training, place, halves=1, capture=capture).result()
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    _checkpoint(training, place, halves=1).unlink(missing_ok=True)
    size = training.protocol.batch_size
    print(
        f"nasneurn: {training.title}: out of memory with batches of {size}; "
        f"two of {size // 2} make a step now",
        file=sys.stderr,
    )
    return _Work(training, place, halves=2).result()


def _checkpoint(training: Training, place: Place, halves: int) -> Path:
    """The state of a training, while it lasts; in it batches are counted, or halves of them."""
    return place.state / f"{training.identity}{'.halved' if halves > 1 else ''}.ckpt"


def inherited_path(place: Place, supernet: str) -> Path:
    """The weights that the architecture found over a supernet inherits from it."""
    return place.found / f"{supernet}.safetensors"


@contextmanager
def _telling() -> Iterator[None]:
    """Tell of what cannot be saved: that a disk is full must not cost the rows."""
    try:
        yield
    except InputError as error:
        print(f"nasneurn: not saved: {error}", file=sys.stderr)


class _Work:
    def __init__(
        self, training: Training, place: Place, halves: int, *, capture: bool = True
    ) -> None:
        self._training = training
        #: A compiled network launches its kernels in its own way.
        self._capture = capture and not place.compiled
        self._place = place
        self._halves = halves
        self._device = torch.device(place.device)
        self._suite = place.suite.open()
        #: Images in a batch; balanced ones may have fewer.
        self._part = training.protocol.batch_size // halves
        self._mix_weights: dict[str, float | None] = {}

    def result(self) -> Result:
        network, adaptation = self._network()
        targets = self._training.targets
        selection: HeldOutSelection | None = None
        if self._training.weights == "inherited":
            history: list[Row] = []
            held_out = accuracy(network.eval(), self._images.held_out)
            best = {one: {"epoch": 0.0, "held_out_accuracy": held_out} for one in targets}
        else:
            selection = self._train(network)
            history = selection.history
            best = {target: selection.best_for(target) for target in targets}
        network.eval()
        answered: dict[str, Answers] = {}
        measured: dict[str, Metrics] = {}
        for chosen_by, group in self._selected(network, selection):
            self._recalibrate(network, "end")
            answered |= self._answers(network, group)
            measured |= {target: metrics(answered[target]) for target in group}
            if self._place.save_weights:
                self._save_weights(network, chosen_by, {one: measured[one] for one in group})
        if self._place.save_predictions:
            self._save_predictions(answered)
        return Result(
            {
                "accuracy": list(self._rows(measured, adaptation, history, best)),
                "classes": list(self._classes(measured)),
                "history": [{**self._training.columns, **record} for record in history],
            }
        )

    @cached_property
    def _images(self) -> Any:
        training = self._training
        return source_images(self._suite, training.sources, training.protocol, self._device)

    def _network(self) -> tuple[nn.Module, str]:
        training = self._training
        inputs = inputs_of(training, self._suite, self._device)
        self._inputs = inputs
        # After every stem the same weights, so that differences between stems are paired.
        torch.manual_seed(stream(training.seed, "weights"))
        body, adaptation = create_network(
            training.architecture,
            len(self._suite.classes),
            training.image_size,
            training.adaptation,
        )
        if training.weights == "inherited":
            self._inherit(body)
        self._body = body_of(training, body, len(self._suite.classes))
        if told := start(training, self._body, self._suite.classes):
            adaptation = f"{adaptation}, {told}"
        network = assembled(training, inputs, body, len(self._suite.classes))
        network = network.to(memory_format=torch.channels_last).to(self._device)
        self._recalibrate(network, "start")
        if self._place.compiled:
            network.compile()
        return network, adaptation

    def _recalibrate(self, network: nn.Module, when: str) -> None:
        training = self._training
        size = training.protocol.batch_size // self._halves
        if training.protocol.recalibrate == when and training.weights != "inherited":
            recalibrate_training(training, network, self._images, size)

    def _inherit(self, body: nn.Module) -> None:
        found = self._training.architecture.found
        assert found is not None
        path = inherited_path(self._place, found.supernet)
        try:
            with opened(path) as file:
                body.load_state_dict(load(file.read()))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise InputError(
                f"{path}: not the weights that {found.name} inherits ({one_line(error)}); "
                "search it again into another --out"
            ) from None

    def _train(self, network: nn.Module) -> HeldOutSelection:
        protocol, seed = self._training.protocol, self._training.seed
        batches, steps = protocol.passes_and_steps(len(self._images.fit))
        every, count = batches * self._halves, steps * self._halves
        loader = ShuffledBatches(
            self._images.fit,
            protocol.batch_size,
            count,
            stream(seed, "order"),
            parts=self._halves,
            sizes=self._images.sizes,
            balanced=protocol.balanced,
        )
        self._part = loader.part
        selection = self._selection(every)
        checkpoint = _checkpoint(self._training, self._place, self._halves)
        place = self._place
        with meter(
            place.title, count, shown=place.shown, per_step=self._part, noted=place.noted
        ) as progress:
            fit(
                network,
                loader,
                protocol.optimization,
                ALGORITHMS.create(self._training.algorithm),
                stream(seed, "steps"),
                self._device,
                progress,
                body=self._body,
                callbacks=[
                    selection,
                    TimedCheckpoint(checkpoint, CHECKPOINT_SECONDS),
                    *self._curves(selection),
                ],
                resume_from=readable_state(checkpoint),
                capture=self._capture,
                precision=LIGHTNING_PRECISION[self._training.precision],
                accumulate_grad_batches=self._halves,
            )
        return selection

    def _curves(self, selection: HeldOutSelection) -> list[Curves]:
        if not self._place.tensorboard:
            return []
        training = self._training
        folder, title = self._place.curves, training.title
        return [Curves(folder, title, training.identity, self._part, selection)]

    def _selection(self, every: int) -> HeldOutSelection:
        protocol, held_out = self._training.protocol, self._images.held_out
        if protocol.selection != "oracle":
            last = protocol.selection == "last"
            return HeldOutSelection(held_out, every, protocol.patience, last=last)
        chosen = {
            target: oracle_images(self._suite, target, protocol, self._device)
            for target in self._training.targets
        }
        return OracleSelection(held_out, every, chosen)

    def _selected(
        self, network: nn.Module, selection: HeldOutSelection | None
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Targets that are measured with the same weights, while the network has these.

        Before them the target that the weights were selected by, which is empty but for an oracle.
        """
        targets = self._training.targets
        if not isinstance(selection, OracleSelection):
            yield "", targets
            return
        for target in targets:
            selection.restore(network, target)
            yield target, (target,)

    def _answers(self, network: nn.Module, targets: tuple[str, ...]) -> dict[str, Answers]:
        training, answered = self._training, {}
        for target in targets:
            part = tested_part(self._suite, target, training.sources, training.protocol)
            images = test_images(self._suite, target, part, self._device)
            answered[target] = answers(network, images)
            self._mix_weights[target] = mix_weight(network)
        return answered

    def _save_weights(
        self, network: nn.Module, chosen_by: str, measured: dict[str, Metrics]
    ) -> None:
        training, (front, body) = self._training, network.children()
        path = weights_path(self._place.folder, training.identity, chosen_by)
        further = {f"{PREFIX}{k}": v for k, v in front.state_dict().items()}
        about = about_model(training, self._inputs, self._suite.classes)
        with _telling():
            save_weights(path, body, training, further, about)
            write_card(path, training, measured)

    def _save_predictions(self, answered: dict[str, Answers]) -> None:
        with _telling():
            path = predictions_path(self._place.folder, self._training.identity)
            save_predictions(path, answered)

    def _classes(self, measured: dict[str, Metrics]) -> Iterator[Row]:
        for target, found in measured.items():
            for name, one in zip(self._suite.classes, found.classes, strict=True):
                key = {"training": self._training.identity, "target": target, "class": name}
                selection = self._training.protocol.selection
                yield {**key, "n": one.n, "accuracy": one.accuracy, "selection": selection}

    def _rows(
        self,
        measured: dict[str, Metrics],
        adaptation: str,
        history: list[Row],
        best: dict[str, dict[str, float]],
    ) -> Iterator[Row]:
        training, versions = self._training, environment()
        about = describe_placed(
            training.placement,
            training.applied_stem,
            training.architecture,
            len(self._suite.classes),
            training.image_size,
            training.adaptation,
        )
        for target, found in measured.items():
            yield {
                **training.columns,
                "suite": training.suite,
                "choices": training.architecture.choices,
                "applied_stem": str(training.applied_stem),
                "target": target,
                **training.way,
                "scaling": training.protocol.scaling,
                "input_mean": self._inputs.statistics.mean_text,
                "input_std": self._inputs.statistics.deviation_text,
                "accuracy": found.accuracy,
                "chance": found.chance,
                "n": sum(one.n for one in found.classes),
                "macro_f1": found.macro_f1,
                "nll": found.nll,
                "ece": found.ece,
                "held_out_accuracy": best[target]["held_out_accuracy"],
                "epochs": len(history),
                "best_epoch": int(best[target]["epoch"]),
                "params": about.params,
                "flops": about.flops,
                "adaptation": adaptation,
                "mix_weight": self._mix_weights[target],
                "batch": f"{self._part} x {self._halves}" if self._halves > 1 else str(self._part),
                "seconds": sum(record["seconds"] for record in history),
                "device": self._device.type,
                "precision": training.precision,
                "torch": versions["torch"],
                "nasneurn": versions.get("nasneurn", "none"),
                "commit": versions.get("commit", "none"),
            }
