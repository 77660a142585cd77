"""Networks as their trainings left them, from saved weights."""

from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from nasneurn.domains import SuiteHandle
from nasneurn.errors import InputError
from nasneurn.networks.build import create_network
from nasneurn.studies.placing import PREFIX, assembled, inputs_of
from nasneurn.studies.saved import weights_path
from nasneurn.studies.training_unit import Training


def saved_weights(folder: Path, training: str, target: str) -> Path | None:
    """The file of a training's weights, or of those that were selected for a target."""
    for path in (weights_path(folder, training, target), weights_path(folder, training)):
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=16)
def restored(path: Path, handle: SuiteHandle, device: torch.device) -> nn.Sequential:
    """The network of a file of weights, in evaluation mode: the stem with its scaling, the body.

    Raises:
        InputError: the file is none of saved weights, or they are of another network.
    """
    try:
        with safe_open(path, "pt") as file:
            training = Training.model_validate_json((file.metadata() or {})["training"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        told = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: no saved weights can be read from it ({told})") from None
    inputs, classes = inputs_of(training, handle, device), len(handle.open().classes)
    with torch.random.fork_rng(devices=[]):
        body, _ = create_network(
            training.architecture, classes, training.image_size, training.adaptation
        )
    network = assembled(training, inputs, body, classes)
    front = {name.removeprefix(PREFIX): state.pop(name) for name in list(state) if _is_front(name)}
    try:
        network[0].load_state_dict(front)
        body.load_state_dict(state)
    except RuntimeError as error:
        told = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: weights of another network ({told})") from None
    network = network.to(memory_format=torch.channels_last).to(device).eval()
    for weight in network.parameters():
        weight.requires_grad_(False)
    return network


def _is_front(name: str) -> bool:
    """Whether weights of that name are of what stands before the body."""
    return name.startswith(PREFIX)
