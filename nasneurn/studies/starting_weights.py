"""What a training starts from: weights put into its network, and the scaling that goes with it."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from torch import nn

from nasneurn.choices import Choice
from nasneurn.networks.adaptation import adaptation_of
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.build import create_network, published
from nasneurn.networks.pretrained import normalization, pretrained_weights
from nasneurn.networks.weight_files import Weights, classes_in, fitted, read_weights, said_in
from nasneurn.networks.weights import INHERITED, SCRATCH, pretrained_tag
from nasneurn.studies.model_card import PREFIX
from nasneurn.studies.recalibration import check_recalibration
from nasneurn.training.fine_tuning import Body, check_fine_tuning, head_names
from nasneurn.training.scaling import Statistics

if TYPE_CHECKING:
    from nasneurn.studies.training_unit import Training

#: What tables say of a network whose last layer does not come from the weights.
NEW_HEAD = "new head"


def check_start(training: "Training", classes: int) -> None:
    """Fetch or read what a training starts from, and see that it fits; no weights are drawn.

    Raises:
        InputError: it cannot be had, is of another network, or layers are named that are not there.
    """
    if _as_drawn(training) and training.protocol.recalibrate == "never":
        return
    body = _on_meta(training.architecture, classes, training.image_size, training.adaptation)
    if training.protocol.recalibrate != "never":
        check_recalibration(training, body)
    check_fine_tuning(body, training.protocol.optimization, training.architecture.name)
    _weights(training, body, classes)
    if training.protocol.scaling == "weights":
        statistics_of(training)


def stems_told(trainings: Iterable["Training"]) -> list[str]:
    """What to say of files whose weights start trainings behind another stem than their own."""
    stems: dict[str, dict[Choice, None]] = {}
    for training in trainings:
        if training.weights_file:
            stems.setdefault(training.weights_file, {})[training.applied_stem] = None
    told = []
    for file, behind in stems.items():
        own = stem_in(Path(file))
        others = ", ".join(str(stem) for stem in behind if stem != own)
        if own is not None and others:
            told.append(f"{file}: trained behind {own}; here it starts trainings behind {others}")
    return told


def stem_in(path: Path) -> Choice | None:
    """The stem that a file's weights were trained behind, where it says so."""
    from nasneurn.studies.training_unit import Training

    try:
        return Training.model_validate(said_in(path, "training")).applied_stem
    except ValidationError:
        return None


def body_of(training: "Training", network: nn.Module, classes: int) -> Body:
    """A network as the training has built it, with the names of its heads where these are asked."""
    if _as_drawn(training):
        return Body(published(network))
    meta = _on_meta(training.architecture, classes, training.image_size, training.adaptation)
    return Body(published(network), meta.heads)


def start(training: "Training", body: Body, classes: Sequence[object]) -> str:
    """Put the weights into a network in which others were drawn.

    Args:
        classes: of the images, in order. Where a file says that its own are others, or stand in
            another order, its head is of no use.

    Returns:
        What tables say of it, if anything: that its head is a new one.

    Raises:
        InputError: they cannot be had any more.
    """
    theirs = classes_in(Path(training.weights_file)) if training.weights_file else None
    others = theirs is not None and theirs != tuple(map(str, classes))
    weights, fresh = _weights(training, body, len(classes), new_heads=others)
    body.network.load_state_dict(weights, strict=False)
    return NEW_HEAD if fresh else ""


def statistics_of(training: "Training") -> Statistics | None:
    """The numbers that standardized the images its weights were trained on, where they are known.

    Raises:
        InputError: they are on the hub, and cannot be fetched.
    """
    tag = _tag(training)
    return None if tag is None else Statistics(*normalization(training.architecture, tag))


def _as_drawn(training: "Training") -> bool:
    """Whether no weights are put in, and all layers are trained alike."""
    plain = training.weights in (SCRATCH, INHERITED) and not training.weights_file
    return plain and not training.protocol.optimization.tunes_layers


def _tag(training: "Training") -> str | None:
    return None if training.weights_file else pretrained_tag(training.weights)


def _weights(
    training: "Training", body: Body, classes: int, *, new_heads: bool = False
) -> tuple[Weights, tuple[str, ...]]:
    architecture, tag = training.architecture, _tag(training)
    if training.weights_file:
        path = Path(training.weights_file)
        given, told = read_weights(path, training.weights), f"{path}: not"
        if said_in(path, "training") is not None:  # what stood in front is this training's own
            given = {name: one for name, one in given.items() if not name.startswith(PREFIX)}
    elif tag is not None:
        adaptation = adaptation_of(architecture, classes, training.image_size, training.adaptation)
        given = pretrained_weights(architecture, tag, adaptation.options)
        told = f"{training.weights} are not"
    else:
        return {}, ()
    told = f"{told} weights of {architecture.name}"
    return fitted(given, body.network, body.heads, told, new_heads=new_heads)


@lru_cache(maxsize=64)
def _on_meta(architecture: Architecture, classes: int, image_size: int, adapting: Adapting) -> Body:
    """The network of a training without weights."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        whole, _ = create_network(architecture, classes, image_size, adapting)
        network = published(whole)
        return Body(network, head_names(whole, network, classes, image_size))
