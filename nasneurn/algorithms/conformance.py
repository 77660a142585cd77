"""What every algorithm must keep, checked before it is trained with: :func:`check_algorithm`."""

import copy
import io
from collections.abc import Callable
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms import ALGORITHMS, Algorithm, Task
from nasneurn.algorithms.interface import hook, takes_domains
from nasneurn.choices import Choice
from nasneurn.errors import InputError, kind_and_line, one_line


def check_algorithm(name: str | Choice, classes: int = 10, image_size: int = 32) -> None:
    """Refuse an algorithm that does not keep what the trainings rely on.

    Its loss of a batch

    - is a finite scalar with finite gradients that reach the network's weights, also for a batch
      of two images, and of two of one class;
    - is a function of PyTorch's seed, the batch and the state in its own part (the module that
      ``prepare`` gives): asked again, and of another object of the same options, it is the same,
      so that a training that is continued ends as if never interrupted;
    - leaves images, labels and the network's weights, gradients and mode as they are: the step is
      the training's.

    Of its hooks (:class:`nasneurn.algorithms.Hooks`), ``prepare`` gives a module or None,
    ``measured`` a module with the network's weights, and after some steps an object that is given
    the state of another one's own part goes on as that one does.

    The random numbers of the process are left as they were.

    Args:
        name: the algorithm by its name with options, or ``package.module:Name``.
        classes: outputs of the network.
        image_size: side of the images.

    Raises:
        InputError: names the first of these that the algorithm does not keep.

    >>> check_algorithm("erm")
    """
    name = str(name)
    try:
        with torch.random.fork_rng(devices=[]):
            _Check(name, classes, image_size).all()
    except _Broken as error:
        raise InputError(f"algorithm {name!r}: {error}") from error.__cause__
    except InputError:
        raise
    except Exception as error:  # an algorithm of one's own may raise anything
        raise InputError(f"algorithm {name!r}: fails with {kind_and_line(error)}") from error


def check_network_of(name: str | Choice, network: nn.Module, images: Tensor, classes: int) -> None:
    """Refuse a network that an algorithm cannot train, as far as its ``prepare`` tells.

    So ``mixstyle`` finds no stages of maps in a transformer. Anything but an InputError is left to
    the training.

    Args:
        name: the algorithm.
        network: images -> logits; it may be on the meta device.
        images: two, on the same device.
        classes: outputs of the network.

    Raises:
        InputError: names the algorithm.
    """
    prepare = hook(ALGORITHMS.create(name), "prepare")
    if prepare is None:
        return
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    try:
        with torch.random.fork_rng(devices=[]):
            prepare(network, Task(_Few(images, labels), classes, sources=2, steps=1))
    except InputError as error:
        raise InputError(f"algorithm {str(name)!r}: {error}") from None
    except Exception:  # of code that reads its images, which have no content on that device
        return


class _Broken(Exception):
    """What an algorithm does not keep."""


@dataclass
class _Few:
    """A few training images."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, rows: npt.NDArray[np.int64]) -> Tensor:
        return self.images[torch.from_numpy(rows)]


class _Check:
    """An algorithm on a small network and a few random images."""

    def __init__(self, name: str, classes: int, image_size: int) -> None:
        self._name = name
        _seed()
        self._network = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, classes),
        )
        images = torch.rand(8, 3, image_size, image_size)
        self._images = images.to(memory_format=torch.channels_last)  # as the training's are
        self._labels = torch.arange(8) % classes
        self._task = Task(_Few(self._images, self._labels), classes, sources=2, steps=10)

    def all(self) -> None:
        for count in (8, 2):
            self._batch(self._images[:count], self._labels[:count])
        self._batch(self._images[:2], self._labels[:1].repeat(2))
        self._same_for_the_same_seed()
        self._continues()

    def _ready(self, network: nn.Module) -> tuple[Algorithm, nn.Module | None]:
        """A new object, prepared for the network, and its own part."""
        _seed()
        algorithm = ALGORITHMS.create(self._name)
        if not callable(getattr(algorithm, "loss", None)):
            raise _Broken(
                f"is a {type(algorithm).__name__} without the method "
                "loss(network, images, labels, criterion)"
            )
        prepare = hook(algorithm, "prepare")
        own = None if prepare is None else prepare(network, self._task)
        if not (own is None or isinstance(own, nn.Module)):
            raise _Broken(f"its prepare gives a {type(own).__name__}, must be a module or None")
        if not all(module.training for module in network.modules()):
            raise _Broken("its prepare leaves the network in evaluation mode")
        return algorithm, own

    def _loss(
        self, algorithm: Algorithm, network: nn.Module, images: Tensor, labels: Tensor
    ) -> Tensor:
        _seed()
        given: dict[str, Any] = {}
        if takes_domains(algorithm):
            given["domains"] = torch.arange(len(labels)) % 2
        return algorithm.loss(network, images, labels, F.cross_entropy, **given)

    def _batch(self, images: Tensor, labels: Tensor) -> None:
        own, given, asked = copy.deepcopy(self._network), images.clone(), labels.clone()
        where = f"a batch of {len(images)}"
        algorithm, _ = self._ready(own)
        # What it returns is the user's to get wrong.
        loss: object = self._loss(algorithm, own, given, asked)
        if not isinstance(loss, Tensor) or loss.shape != ():
            what = (
                f"{tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            )
            raise _Broken(f"its loss of {where} is {what}, must be a scalar tensor")
        if not torch.isfinite(loss):
            raise _Broken(f"its loss of {where} is {loss.item()}, must be finite")
        if not torch.equal(given, images) or not torch.equal(asked, labels):
            raise _Broken("its loss writes to the images or labels that it is given")
        weights = dict(self._network.named_parameters())
        if not all(torch.equal(weight, weights[name]) for name, weight in own.named_parameters()):
            raise _Broken("its loss changes the network's weights; the step is the training's")
        if any(weight.grad is not None for weight in own.parameters()):
            raise _Broken("its loss calls backward; the step is the training's")
        if not all(module.training for module in own.modules()):
            raise _Broken("its loss leaves the network in evaluation mode")
        if loss.requires_grad:
            loss.backward()
        gradients = [weight.grad for weight in own.parameters() if weight.grad is not None]
        if not any(bool(gradient.any()) for gradient in gradients):
            raise _Broken(f"its loss of {where} gives no gradient to the network's weights")
        if not all(bool(gradient.isfinite().all()) for gradient in gradients):
            raise _Broken(f"its loss of {where} gives gradients that are not finite")

    def _same_for_the_same_seed(self) -> None:
        batch = (self._network, self._images, self._labels)
        algorithm, _ = self._ready(self._network)
        first, again = self._loss(algorithm, *batch), self._loss(algorithm, *batch)
        fresh = self._loss(self._ready(self._network)[0], *batch)
        if not torch.equal(first, again) or not torch.equal(first, fresh):
            raise _Broken(
                "its loss is not the same for the same seed and batch; it draws from PyTorch's "
                "generator alone, and keeps nothing from the batches before"
            )

    def _continues(self) -> None:
        network = copy.deepcopy(self._network)
        algorithm, own = self._ready(network)
        for step in range(2):
            self._step(algorithm, network, own, step)
        other = copy.deepcopy(network)
        another, its_own = self._ready(other)
        if own is not None and its_own is not None:
            its_own.load_state_dict(_as_read_back(own.state_dict()))
        answers = [
            self._after(self._step(*one, 2), one[0], one[1])
            for one in ((algorithm, network, own), (another, other, its_own))
        ]
        if not all(bool(torch.isfinite(one).all()) for one in answers[0]):
            raise _Broken("three steps of it leave values that are not finite")
        if not all(map(torch.equal, *answers)):
            raise _Broken(
                "a training that is continued differs from one that was never interrupted; what is "
                "kept from step to step must be in the module that prepare gives"
            )

    def _step(
        self, algorithm: Algorithm, network: nn.Module, own: nn.Module | None, step: int
    ) -> Tensor:
        """One step of plain descent with all hooks; gives the loss."""
        _call(hook(algorithm, "before_step"), network, step)
        loss = self._loss(algorithm, network, self._images, self._labels)
        weights = [*network.parameters(), *(own.parameters() if own is not None else ())]
        weights = [weight for weight in weights if weight.requires_grad]
        with torch.no_grad():
            for weight, slope in zip(
                weights, torch.autograd.grad(loss, weights, allow_unused=True), strict=True
            ):
                if slope is not None:
                    weight -= 0.1 * slope
        _call(hook(algorithm, "after_step"), network, step + 1)
        return loss

    def _after(self, loss: Tensor, algorithm: Algorithm, network: nn.Module) -> list[Tensor]:
        measured = hook(algorithm, "measured")
        chosen = network if measured is None else measured(network)
        if not isinstance(chosen, nn.Module) or set(chosen.state_dict()) != set(
            network.state_dict()
        ):
            raise _Broken("its measured gives no module with the weights of the network")
        return [loss, *chosen.state_dict().values()]


def _seed() -> None:
    torch.default_generator.manual_seed(0)  # that of the CPU alone


def _call(method: Callable[..., Any] | None, *arguments: Any) -> None:
    _seed()
    if method is not None:
        method(*arguments)


def _as_read_back(state: dict[str, Any]) -> dict[str, Any]:
    """A state dict once written and read, as a checkpoint's, in which no code is run."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    try:
        read: dict[str, Any] = torch.load(file, weights_only=True)
    except UnpicklingError as error:
        raise _Broken(
            "its state holds more than tensors and plain data, and no checkpoint gives that back "
            f"({one_line(error)})"
        ) from error
    return read
