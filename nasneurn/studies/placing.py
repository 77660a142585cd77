"""The network of a training with its stem where the training has it."""

from dataclasses import dataclass

import torch
from torch import nn

from nasneurn.choices import Choice
from nasneurn.domains import SuiteHandle
from nasneurn.networks.placement import FRONT, Mix, first_convolution, placed
from nasneurn.seeds import stream
from nasneurn.stems import STEMS
from nasneurn.studies.inputs import standardized_stem
from nasneurn.studies.starting_weights import statistics_of
from nasneurn.studies.training_unit import Training
from nasneurn.training.scaling import Statistics

#: The stem that does nothing.
NONE = Choice(name="none")
#: What stands before the names of weights that are not the body's own, in a file.
PREFIX = "placement."


@dataclass(frozen=True)
class Inputs:
    """What an image goes through before a network: a stem, or none.

    Attributes:
        stem: the stem, its answers standardized.
        statistics: the numbers of that.
        plain: what standardizes the image itself; where only the stem is seen, the stem.
    """

    stem: nn.Module
    statistics: Statistics
    plain: nn.Module


def inputs_of(training: Training, suite: SuiteHandle, device: torch.device) -> Inputs:
    """The stem of a training, and what stands beside it where its placement needs that."""
    known = statistics_of(training) if training.protocol.scaling == "weights" else None

    def standardized(stem: Choice) -> tuple[nn.Module, Statistics]:
        return standardized_stem(stem, suite, training.sources, training.protocol, device, known)

    if training.placement == "after_first":
        plain, statistics = standardized(NONE)
        return Inputs(plain, statistics, plain)
    stem, statistics = standardized(training.applied_stem)
    plain = stem if training.placement == FRONT else standardized(NONE)[0]
    return Inputs(stem, statistics, plain)


def assembled(training: Training, inputs: Inputs, body: nn.Module, classes: int) -> nn.Sequential:
    """The whole network; the body, with its weights in it, is changed where a placement asks."""
    first, bare = "", inputs.stem
    if training.placement in ("concatenate", "after_first"):
        first = first_convolution(
            training.architecture, classes, training.image_size, training.adaptation
        )
    if training.placement == "after_first":
        bare = STEMS.create(training.applied_stem)
    seed = stream(training.seed, "placement")
    return placed(training.placement, body, inputs.stem, inputs.plain, bare, first, seed)


def mix_weight(network: nn.Module) -> float | None:
    """The learned share of the stem, if the network has one."""
    (front, _) = network.children()
    return front.share if isinstance(front, Mix) else None
