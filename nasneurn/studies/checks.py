"""What is told before the first training: that it cannot run as planned."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from nasneurn.algorithms import ALGORITHMS
from nasneurn.algorithms.interface import hook
from nasneurn.algorithms.requirements import check_data
from nasneurn.choices import Choice
from nasneurn.domains import Suite
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.rows import sources
from nasneurn.studies.inputs import rows_of
from nasneurn.studies.parts import check_oracle_target, selecting_targets, tested_part

if TYPE_CHECKING:
    from nasneurn.studies.config import StudyConfig

#: Trainings of fewer steps are warned of.
FEW_STEPS = 50


def check_images(config: "StudyConfig", suite: Suite) -> None:
    """See that there are images enough for a batch, all classes and the algorithms; targets too.

    Labels are counted, no image is read.

    Raises:
        InputError: with what is missing.
    """
    for source in config.sources:
        labels = np.concatenate(
            [
                suite.labels(domain, "train")[rows_of(suite, domain, config.protocol)[0]]
                for domain in sources(source)
            ]
        )
        lacking = np.flatnonzero(np.bincount(labels, minlength=len(suite.classes)) == 0)
        if len(lacking):
            raise InputError(
                f"class {suite.classes[lacking[0]]!r} has no image to train on in {source}; it "
                "needs some, of one of several sources at least"
            )
        if config.protocol.balanced and config.protocol.batch_size < len(sources(source)):
            raise InputError(
                f"batch_size {config.protocol.batch_size} is too small for equally many images of "
                f"each of {source}"
            )
        if len(labels) < config.protocol.batch_size:
            raise InputError(
                f"batch_size {config.protocol.batch_size} is larger than the {len(labels)} "
                f"training images of {source}"
            )
        for algorithm in config.algorithms:
            try:
                made = ALGORITHMS.create(algorithm)
            except Exception:  # told by check_algorithm, with all else that it does not keep
                continue
            check_data(made, algorithm, source, labels, suite.classes)
        for target in config.targets:
            suite.labels(target, tested_part(suite, target, sources(source), config.protocol))
    for target in selecting_targets(config.targets, config.protocol):
        check_oracle_target(suite, target)
        rows_of(suite, target, config.protocol)


def few_steps(config: "StudyConfig", suite: Suite) -> str:
    """What to say of trainings so short that they may stay near chance; nothing of others."""
    counts = {
        source: config.protocol.passes_and_steps(
            sum(len(rows_of(suite, domain, config.protocol)[0]) for domain in sources(source))
        )[1]
        for source in config.sources
    }
    source = min(counts, key=lambda name: counts[name])
    if counts[source] >= FEW_STEPS:
        return ""
    return (
        f"a training on {source} has {counts[source]} steps; under {FEW_STEPS}, networks may stay "
        "near chance, and differences say nothing; more epochs or a smaller batch_size give more"
    )


def check_architecture(architecture: Architecture, suite: Suite, adaptation: Adapting) -> None:
    """Build a network once, on the meta device.

    Raises:
        InputError: it cannot be built, or cannot take the suite's images.
    """
    from importlib.metadata import version

    from nasneurn.networks.build import describe

    if architecture.version and architecture.version != version(architecture.package):
        raise InputError(
            f"{architecture.name} is planned as that of {architecture.package} "
            f"{architecture.version}, and {version(architecture.package)} is installed; "
            "install the former, or choose another --out"
        )
    describe(architecture, len(suite.classes), suite.size, adaptation)


def check_algorithms_of(
    architecture: Architecture,
    algorithms: Iterable[Choice],
    suite: Suite,
    adaptation: Adapting,
) -> None:
    """See that a network is one that the algorithms which are to train it can train.

    Raises:
        InputError: names the first that cannot.
    """
    import torch

    from nasneurn.algorithms.conformance import check_network_of
    from nasneurn.networks.build import create_network

    classes = len(suite.classes)
    for algorithm in algorithms:
        if hook(ALGORITHMS.create(algorithm), "prepare") is None:
            continue
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            network, _ = create_network(architecture, classes, suite.size, adaptation)
            images = torch.empty(2, 3, suite.size, suite.size)
        try:
            check_network_of(algorithm, network, images, classes)
        except InputError as error:
            raise InputError(f"{architecture.name}: {error}") from None
