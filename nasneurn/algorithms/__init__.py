"""How a network is trained on its sources: algorithms by name.

>>> list_algorithms()[:3]
['erm', 'randconv', 'pro_randconv']
"""

from collections.abc import Callable
from typing import Any

from nasneurn.algorithms.adversarial import ADA, MEADA
from nasneurn.algorithms.augmix import AugMix
from nasneurn.algorithms.auto_augment import RandAugment, TrivialAugment
from nasneurn.algorithms.coral import CORAL
from nasneurn.algorithms.dann import DANN
from nasneurn.algorithms.erm import ERM
from nasneurn.algorithms.fourier import Fourier
from nasneurn.algorithms.interface import Algorithm, Hooks, Images, Task
from nasneurn.algorithms.mixstyle import MixStyle
from nasneurn.algorithms.pro_randconv import ProRandConv
from nasneurn.algorithms.randconv import RandConv
from nasneurn.algorithms.sam import SAM
from nasneurn.algorithms.weight_averages import EMA, SWA
from nasneurn.choices import Registry

__all__ = [
    "ALGORITHMS",
    "ERM",
    "Algorithm",
    "Hooks",
    "Images",
    "Task",
    "create_algorithm",
    "list_algorithms",
    "register_algorithm",
]

#: Every algorithm, and what makes it; its options are the maker's.
ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm",
    {
        "erm": ERM,
        "randconv": RandConv,
        "pro_randconv": ProRandConv,
        "mixstyle": MixStyle,
        "fourier": Fourier,
        "augmix": AugMix,
        "trivial_augment": TrivialAugment,
        "rand_augment": RandAugment,
        "ada": ADA,
        "me_ada": MEADA,
        "dann": DANN,
        "coral": CORAL,
        "sam": SAM,
        "ema": EMA,
        "swa": SWA,
    },
    later={"randconv": ("chained",)},
)


def list_algorithms() -> list[str]:
    """Names that :func:`create_algorithm` knows."""
    return list(ALGORITHMS)


def create_algorithm(name: str, **options: Any) -> Algorithm:
    """Make an algorithm by its name, or ``package.module:Name``.

    Args:
        name: of :func:`list_algorithms` or an import path; options may follow, as in
            ``"mixstyle:alpha=0.3"``.
        options: the same options as arguments.

    Raises:
        InputError: a name or an option that does not exist.
    """
    choice = ALGORITHMS.choose(name)
    return ALGORITHMS.create(choice.model_copy(update={"options": {**choice.options, **options}}))


def register_algorithm(name: str, maker: Callable[..., Algorithm]) -> None:
    """Add an algorithm of one's own under a name, for this process.

    Args:
        name: what ``--algorithms`` is to call it.
        maker: a class or function, whose arguments are the options.

    Raises:
        InputError: the name is taken.
    """
    ALGORITHMS.register(name, maker)
