"""How a network is trained on its sources: algorithms by name.

>>> list_algorithms()
['erm']
"""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor, nn

from nasneurn.algorithms.erm import ERM
from nasneurn.choices import Registry

__all__ = [
    "ALGORITHMS",
    "ERM",
    "Algorithm",
    "create_algorithm",
    "list_algorithms",
    "register_algorithm",
]


class Algorithm(Protocol):
    """What the training loop asks of an algorithm: the loss of one batch.

    An algorithm of one's own is a class with this method; the arguments of its constructor are
    its options.
    """

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """The loss to go down on, a scalar with gradients.

        Args:
            network: images (N, 3, H, W) -> logits (N, classes), the stem included.
            images: float32 (N, 3, H, W) in [0, 1].
            labels: int64 (N,).
            criterion: (logits, labels) -> the protocol's loss, cross-entropy.
        """
        ...


#: Every algorithm, and what makes it; its options are the maker's.
ALGORITHMS: Registry[Algorithm] = Registry("algorithm", {"erm": ERM})


def list_algorithms() -> list[str]:
    """Names that :func:`create_algorithm` knows."""
    return list(ALGORITHMS)


def create_algorithm(name: str, **options: Any) -> Algorithm:
    """Make an algorithm by its name, or ``package.module:Name``.

    Raises:
        InputError: a name or an option that does not exist.
    """
    choice = ALGORITHMS.choose(name)
    return ALGORITHMS.create(choice.model_copy(update={"options": {**choice.options, **options}}))


def register_algorithm(name: str, maker: Callable[..., Algorithm]) -> None:
    """Add an algorithm of one's own under a name.

    Raises:
        InputError: the name is taken.
    """
    ALGORITHMS.register(name, maker)
