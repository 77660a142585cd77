"""The paper's first experiments by name: each is a grid with its models, stems and sources.

After arXiv 2505.06881, which trains VGG-19 on the digit domains.
"""

from dataclasses import dataclass

from nasneurn.choices import check_known


@dataclass(frozen=True)
class Experiment:
    """What a named experiment leaves to ``nasneurn bench``."""

    about: str
    models: tuple[str, ...]
    stems: tuple[str, ...]
    suite: str
    sources: tuple[str, ...]


EXPERIMENTS = {
    "vgg19-transfer": Experiment(
        about="VGG-19 across all pairs of digit domains, without and with NeuRN",
        models=("vgg19",),
        stems=("none", "neurn"),
        suite="digits",
        sources=("all",),
    ),
    "patch-size": Experiment(
        about="VGG-19 from MNIST, NeuRN with patches of 3 to 11 pixels",
        models=("vgg19",),
        stems=("none", "neurn:k=3", "neurn:k=5", "neurn:k=7", "neurn:k=9", "neurn:k=11"),
        suite="digits",
        sources=("mnist",),
    ),
    "same-domain": Experiment(
        about="VGG-19 on MNIST alone: what NeuRN costs where there is no shift",
        models=("vgg19",),
        stems=("none", "neurn"),
        suite="digits",
        sources=("mnist",),
    ),
}


def experiment_named(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InputError: there is none.
    """
    check_known("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]
