"""What the training loop asks of an algorithm: ``loss``, and the hooks that it may also have."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

Criterion = Callable[[Tensor, Tensor], Tensor]


class Algorithm(Protocol):
    """What the training loop asks of an algorithm: the loss of one batch.

    An algorithm of one's own is a class with this method; the arguments of its constructor are
    its options. It may also have the hooks of :class:`Hooks`, each by itself.
    """

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """The loss to go down on, a scalar with gradients.

        An algorithm that has a further argument ``domains`` is given int64 (N,) by it: of which
        source each image is, from 0 up.

        Args:
            network: images (N, 3, H, W) -> logits (N, classes), the stem included.
            images: float32 (N, 3, H, W) in [0, 1].
            labels: int64 (N,).
            criterion: (logits, labels) -> the protocol's loss, cross-entropy.
        """
        ...


class Images(Protocol):
    """The training images of the sources."""

    @property
    def labels(self) -> Tensor:
        """int64 (N,)."""
        ...

    def __len__(self) -> int: ...

    def pixels(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Some of the images, float32 (N, 3, H, W) in [0, 1]."""
        ...


@dataclass(frozen=True)
class Task:
    """What an algorithm may know of its training before it begins.

    Attributes:
        data: the images that are trained on.
        classes: how many classes there are.
        sources: how many sources the images are of.
        steps: optimizer steps of the whole training, if it is not stopped early.
    """

    data: Images
    classes: int
    sources: int = 1
    steps: int = 1


class Hooks(Protocol):
    """What an algorithm may have beside ``loss``; each is called only where it is there.

    All are called with PyTorch's generator seeded, so that what they draw is the same in a
    training that is continued. What an algorithm keeps from step to step must be in the module
    that :meth:`prepare` gives, since that is what a checkpoint holds.
    """

    #: A training with fewer sources, or fewer images of a class, is refused before it begins; each
    #: is 1 where it is not there.
    least_sources: int
    least_images: int
    #: Whether the loss of a batch is the same operations each time, drawn from no generator but the
    #: GPU's and waiting for nothing: then steps on a GPU are taken as CUDA graphs, which are
    #: launched as one. False where it is not there.
    capturable: bool

    def prepare(self, network: nn.Module, task: Task) -> nn.Module | None:
        """Get ready, once, before the first step and also before a training is continued.

        Returns:
            The algorithm's own part, if it has one. Its parameters are trained with the network's,
            and its state dict (parameters, buffers, extra state) is in each checkpoint.
        """
        ...

    def before_step(self, network: nn.Module, step: int) -> None:
        """Called before the loss of a step, which is counted from 0; in full precision."""
        ...

    def after_step(self, network: nn.Module, step: int) -> None:
        """Called once the optimizer has taken a step, as 1 after the first."""
        ...

    def measured(self, network: nn.Module) -> nn.Module:
        """The network that is measured, on held-out images and in the end: as an average."""
        ...


def takes_domains(algorithm: Algorithm) -> bool:
    """Whether its ``loss`` asks for the domains of the images."""
    return "domains" in inspect.signature(algorithm.loss).parameters


def hook(algorithm: Algorithm, name: str) -> Callable[..., Any] | None:
    """A method of :class:`Hooks`, or None where the algorithm lacks it."""
    found = getattr(algorithm, name, None)
    return found if callable(found) else None


def capturable(algorithm: Algorithm) -> bool:
    """Whether the class that has its ``loss`` says that this can be captured.

    A class that takes over another's word with a loss of its own says nothing. A loss of images,
    labels and domains is not captured, whatever it says: what is captured has images and labels.
    """
    if takes_domains(algorithm):
        return False
    for one in type(algorithm).__mro__:
        if "loss" in vars(one):
            return bool(vars(one).get("capturable", False))
    return False
