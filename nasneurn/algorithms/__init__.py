"""How a network is trained on its sources: algorithms by name.

>>> list_algorithms()[:3]
['erm', 'randconv', 'pro_randconv']
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nasneurn.choices import Registry
from nasneurn.located import Located

if TYPE_CHECKING:
    from nasneurn.algorithms.erm import ERM
    from nasneurn.algorithms.interface import Algorithm, Hooks, Images, Task

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

#: Where the names are that need PyTorch.
_HOME = {
    "ERM": "erm",
    "Algorithm": "interface",
    "Hooks": "interface",
    "Images": "interface",
    "Task": "interface",
}
_ASCENT = {"phases": 3, "every": 100, "ascent": 15, "rate": 1.0, "gamma": 1.0}


def _of(place: str, **options: Any) -> "Callable[..., Algorithm]":
    return Located(f"nasneurn.algorithms.{place}", **options)


#: Every algorithm, where it is, and its options with their defaults: those of its constructor.
ALGORITHMS: "Registry[Algorithm]" = Registry(
    "algorithm",
    {
        "erm": _of("erm:ERM"),
        "randconv": _of(
            "randconv:RandConv",
            kernel_sizes=(1, 3, 5, 7),
            mix=True,
            consistency=10.0,
            chained=False,
        ),
        "pro_randconv": _of("pro_randconv:ProRandConv", most=10, offset=0.2, contrast=0.5),
        "mixstyle": _of("mixstyle:MixStyle", probability=0.5, alpha=0.1, stages=2),
        "fourier": _of("fourier:Fourier", strength=1.0),
        "augmix": _of(
            "augmix:AugMix",
            consistency=12.0,
            severity=3,
            width=3,
            depth=-1,
            alpha=1.0,
            all_ops=False,
        ),
        "trivial_augment": _of("auto_augment:TrivialAugment"),
        "rand_augment": _of("auto_augment:RandAugment", operations=2, magnitude=9),
        "ada": _of("adversarial:ADA", **_ASCENT, entropy=0.0),
        "me_ada": _of("adversarial:MEADA", **_ASCENT, entropy=10.0),
        "dann": _of("dann:DANN", pseudo=None, weight=1.0, hidden=100, slope=10.0),
        "coral": _of("coral:CORAL", pseudo=None, weight=1.0, of="logits"),
        "sam": _of("sam:SAM", rho=0.05),
        "ema": _of("weight_averages:EMA", decay=0.999),
        "swa": _of("weight_averages:SWA", start=0.25),
    },
    later={"randconv": ("chained",)},
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def list_algorithms() -> list[str]:
    """Names that :func:`create_algorithm` knows."""
    return list(ALGORITHMS)


def create_algorithm(name: str, **options: Any) -> "Algorithm":
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


def register_algorithm(name: str, maker: "Callable[..., Algorithm]") -> None:
    """Add an algorithm of one's own under a name, for this process.

    Args:
        name: what ``--algorithms`` is to call it.
        maker: a class or function, whose arguments are the options.

    Raises:
        InputError: the name is taken.
    """
    ALGORITHMS.register(name, maker)
