"""The network of a training with its stem where the training has it."""

from dataclasses import dataclass

import torch
from torch import nn

from nasneurn.choices import Choice
from nasneurn.domains import Suite
from nasneurn.networks.placement import FreeMix, Mix, first_convolution, placed
from nasneurn.networks.places import BY_CONVOLUTION, FRONT, OWN_SCALE, Placement
from nasneurn.seeds import stream
from nasneurn.stems import STEMS
from nasneurn.studies.inputs import standardized, stem_statistics
from nasneurn.studies.starting_weights import statistics_of
from nasneurn.studies.training_unit import Training
from nasneurn.training.scaling import Statistics

#: The stem that does nothing.
NONE = Choice(name="none")

#: Where the network sees the stem's answers alone, standardized.
SEEN_ALONE: tuple[Placement, ...] = (FRONT, "own_scale")
#: Where the image alone is standardized.
IMAGE_SCALED: tuple[Placement, ...] = ("inside", "after_first")


@dataclass(frozen=True)
class Inputs:
    """What an image goes through before a network: a stem, or none.

    Attributes:
        stem: the stem, its answers standardized; where it stands inside of the standardization,
            the image is standardized before it, and its answers are not.
        statistics: the numbers of that.
        plain: what standardizes the image itself; where only the stem is seen, the stem.
        plain_statistics: the numbers of ``plain``.
    """

    stem: nn.Module
    statistics: Statistics
    plain: nn.Module
    plain_statistics: Statistics


def inputs_of(training: Training, suite: Suite, device: torch.device) -> Inputs:
    """The stem of a training, and what stands beside it where its placement needs that.

    The numbers are measured on the sources, or go with the weights that the network starts from.
    """
    known = statistics_of(training) if training.protocol.scaling == "weights" else None

    def measured(stem: Choice, *, own: bool = False) -> Statistics:
        return stem_statistics(
            stem, suite, training.sources, training.protocol, device, known, own=own
        )

    of_stem = None
    if training.placement not in IMAGE_SCALED:
        of_stem = measured(training.applied_stem, own=training.placement in OWN_SCALE)
    of_plain = of_stem if training.placement in SEEN_ALONE else measured(NONE)
    assert of_plain is not None
    return inputs_with(training, of_stem or of_plain, of_plain)


def inputs_with(training: Training, statistics: Statistics, plain_statistics: Statistics) -> Inputs:
    """The same from the numbers.

    Args:
        training: what it is trained by.
        statistics: those of the stem; where only the image is standardized, those of the image.
        plain_statistics: those of the image; where only the stem is seen, those of the stem.
    """
    placement, scaled = training.placement, training.protocol.scaling != "none"
    plain = standardized(NONE, plain_statistics if scaled else None)
    if placement == "after_first":
        stem = plain
    elif placement == "inside":
        stem = nn.Sequential(plain, STEMS.create(training.applied_stem))
    else:
        own = placement in OWN_SCALE and training.applied_stem != NONE
        stem = standardized(training.applied_stem, statistics if scaled or own else None)
    if placement in SEEN_ALONE:
        plain = stem
    return Inputs(stem, statistics, plain, plain_statistics)


def assembled(training: Training, inputs: Inputs, body: nn.Module, classes: int) -> nn.Sequential:
    """The whole network; the body, with its weights in it, is changed where a placement asks."""
    first, bare = "", inputs.stem
    if training.placement in BY_CONVOLUTION:
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
    return front.share if isinstance(front, Mix | FreeMix) else None
