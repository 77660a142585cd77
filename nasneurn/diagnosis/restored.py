"""Networks as their trainings left them, from saved weights."""

from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from nasneurn.domains import Suite
from nasneurn.models.reading import read_saved
from nasneurn.models.trained_model import built
from nasneurn.studies.placing import inputs_of
from nasneurn.studies.saved import weights_path


def saved_weights(folder: Path, training: str, target: str) -> Path | None:
    """The file of a training's weights, or of those that were selected for a target."""
    for path in (weights_path(folder, training, target), weights_path(folder, training)):
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=16)
def restored(path: Path, suite: Suite, device: torch.device) -> nn.Sequential:
    """The network of a file of weights, in evaluation mode: the stem with its scaling, the body.

    Raises:
        InputError: the file is none of saved weights, or they are of another network.
    """
    training, _, state = read_saved(path)
    inputs, classes = inputs_of(training, suite, device), len(suite.classes)
    network = built(path, training, inputs, classes, state).to(device).eval()
    for weight in network.parameters():
        weight.requires_grad_(False)
    return network
