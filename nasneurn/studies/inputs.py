"""The images of a study on a device: those of its sources, and those that it tests on.

They are kept for a suite as it is; one whose files were replaced is another.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nasneurn.choices import Choice
from nasneurn.domains import Part, Split, Suite, joined, source_rows
from nasneurn.errors import InputError
from nasneurn.stems import STEMS
from nasneurn.training.images import Images, SourceImages, open_images
from nasneurn.training.protocol import Protocol
from nasneurn.training.scaling import FIXED, Standardize, Statistics, output_statistics

#: Images in a batch that is measured.
BATCH_SIZE = 256
#: Most bytes of a target that stay on the device; with those of the sources, 4 GiB at the most.
TEST_MEMORY = 2**27


Rows = npt.NDArray[np.int64]


def rows_of(suite: Suite, source: str, protocol: Protocol) -> tuple[Rows, Rows]:
    """The rows of a domain's training images to fit and to select on, from its labels alone.

    Raises:
        InputError: they cannot be divided so.
    """
    try:
        return source_rows(
            suite.labels(source, "train"),
            most=protocol.train_images,
            fraction=protocol.hold_out,
            drawn=protocol.drawn,
            held_out=suite.held_out(source),
            classes=[str(one) for one in suite.classes],
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


@lru_cache(maxsize=2)
def source_images(
    suite: Suite, sources: tuple[str, ...], protocol: Protocol, device: torch.device
) -> SourceImages:
    """The sources' training images on the device, divided to fit and to select on."""
    if len(sources) == 1:
        split = suite.images(sources[0], "train")
        fit, held_out = rows_of(suite, sources[0], protocol)
        return SourceImages(open_images(split, fit, device), open_images(split, held_out, device))
    parts: tuple[list[Split], list[Split]] = ([], [])
    for source in sources:
        split = suite.images(source, "train")
        for part, rows in zip(parts, rows_of(suite, source, protocol), strict=True):
            part.append(split.select(rows))
    fit_images, selecting = (open_images(joined(part), None, device) for part in parts)
    return SourceImages(fit_images, selecting, tuple(len(one) for one in parts[0]))


@lru_cache(maxsize=16)
def oracle_images(suite: Suite, target: str, protocol: Protocol, device: torch.device) -> Images:
    """The images held out of a target's training part, by the rule that holds for sources."""
    _, held_out = rows_of(suite, target, protocol)
    split = suite.images(target, "train")
    return open_images(split, held_out, device, memory=TEST_MEMORY)


@lru_cache(maxsize=16)
def test_images(suite: Suite, target: str, part: Part, device: torch.device) -> Images:
    """The images of a target on the device; those of a large one are streamed each time."""
    return open_images(suite.images(target, part), None, device, memory=TEST_MEMORY)


def standardized_stem(
    stem: Choice,
    suite: Suite,
    sources: tuple[str, ...],
    protocol: Protocol,
    device: torch.device,
) -> nn.Module:
    """A stem with what standardizes its answers, as the protocol says."""
    scaled = protocol.scaling != "none"
    numbers = stem_statistics(stem, suite, sources, protocol, device) if scaled else None
    return standardized(stem, numbers)


def standardized(stem: Choice, numbers: Statistics | None) -> nn.Module:
    """A stem with what standardizes its answers; without numbers the stem alone."""
    made = STEMS.create(stem)
    return made if numbers is None else nn.Sequential(made, Standardize(numbers))


def stem_statistics(
    stem: Choice,
    suite: Suite,
    sources: tuple[str, ...],
    protocol: Protocol,
    device: torch.device,
    known: Statistics | None = None,
    *,
    own: bool = False,
) -> Statistics:
    """The numbers that standardize a stem's answers, as the protocol says.

    Args:
        known: those that go with the weights which the network starts from.
        own: those that the answers to the source's images have, whatever the protocol says.
    """
    if not own and protocol.scaling == "weights" and known is not None:
        return known
    if not own and protocol.scaling in FIXED:
        return FIXED[protocol.scaling]
    return _measured_statistics(stem, suite, sources, protocol, device)


@lru_cache(maxsize=64)
def _measured_statistics(
    stem: Choice,
    suite: Suite,
    sources: tuple[str, ...],
    protocol: Protocol,
    device: torch.device,
) -> Statistics:
    fit = source_images(suite, sources, protocol, device).fit
    made = STEMS.create(stem).to(device)
    return output_statistics(made, (images for images, _ in fit.batches(BATCH_SIZE)))
