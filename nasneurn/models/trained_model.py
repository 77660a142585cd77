"""Trained networks from their files of weights: images to logits, in one call."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from nasneurn.choices import refuse_code
from nasneurn.errors import InputError, one_line
from nasneurn.models.reading import Held, read_saved
from nasneurn.networks.build import create_network
from nasneurn.networks.places import FRONT
from nasneurn.stems.leading import for_network, refuse_script
from nasneurn.studies.model_card import PREFIX, own_code, own_names
from nasneurn.studies.own_code import refuse_other_code
from nasneurn.studies.placing import Inputs, assembled, inputs_of, inputs_with
from nasneurn.studies.training_unit import Training
from nasneurn.training.scaling import Statistics

#: The device that numbers are computed on where a file holds none.
CPU = torch.device("cpu")


class TrainedModel(nn.Module):
    """A trained network with its stem and the scaling of its input: images to logits.

    Images are (N, 3, S, S), float from 0 to 1 or uint8, as they come from a file; nothing else is
    to be done to them.

    Attributes:
        classes: the names of the classes, in the order of the logits.
        image_size: side of the images that it was trained on.
        training_unit: what it was trained by.
        network: stem and scaling first, then the network.
    """

    def __init__(
        self, network: nn.Sequential, classes: tuple[str, ...], training: Training
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self.image_size = training.image_size
        self.training_unit = training

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes).

        Raises:
            InputError: the images are no floating point or uint8 tensor (N, 3, H, W) or
                (N, 1, H, W). What other sides than S or another dtype than that of the weights do
                is the network's.
        """
        logits: Tensor = self.network(for_network(images, 3))
        return logits

    def __prepare_scriptable__(self) -> nn.Module:
        return cast(nn.Module, refuse_script("a trained network with its stem"))

    def extra_repr(self) -> str:
        """What it is, for ``repr``."""
        return f"{self.training_unit.title}; {len(self.classes)} classes, {self.image_size} pixels"


def load_model(
    path: Path | str, *, data_dir: Path | None = None, trust_code: bool = False
) -> TrainedModel:
    """The network of a file that ``--save-weights`` left, ready to be asked.

    The file holds all that is needed; one of before files held the numbers of the input scaling
    needs the images of the study again. A found architecture of a search space of one's own is
    built by that space, which needs NNI; ``nasneurn export`` makes a file that needs PyTorch alone.

    Args:
        path: ``weights/<training>.safetensors`` in the folder of a study.
        data_dir: the folder of the files of ``digits``, where images are needed.
        trust_code: also import the code that the file names, as of a network of one's own.

    Returns:
        The model in evaluation mode, on the CPU: images (N, 3, S, S) to logits (N, classes). In
        another process of the same machine it gives the very same logits.

    Raises:
        InputError: the file is none of saved weights, is of another version, or names code without
            ``trust_code``, or code that has changed since; the images are missing, or NNI is for a
            space of one's own.
    """
    path = Path(path)
    training, held, state = read_saved(path)
    refuse_code(path, own_code(training), trust_code)
    try:
        refuse_other_code(held.code if held else {}, own_names(training))
        inputs, classes = _inputs(training, held, data_dir)
        network = built(path, training, inputs, len(classes), state)
    except InputError as error:
        told = str(error)  # of what the file names, and this version or machine does not have
        raise InputError(told if told.startswith(f"{path}: ") else f"{path}: {told}") from error
    model = TrainedModel(network, classes, training)
    return model.requires_grad_(False).eval()


def _inputs(
    training: Training, held: Held | None, data_dir: Path | None
) -> tuple[Inputs, tuple[str, ...]]:
    """The stem with its scaling, and the classes: from the file, or else from the images."""
    if held and (held.plain_mean or training.placement == FRONT):
        of_stem = Statistics(held.mean, held.std)
        plain = Statistics(held.plain_mean or held.mean, held.plain_std or held.std)
        return inputs_with(training, of_stem, plain), held.classes
    from nasneurn.domains import load_suite

    suite = load_suite(training.suite, data_dir=data_dir, size=training.image_size)
    return inputs_of(training, suite, CPU), tuple(map(str, suite.classes))


def built(
    path: Path, training: Training, inputs: Inputs, classes: int, state: dict[str, Tensor]
) -> nn.Sequential:
    """The network of a training with its stem in front, and the weights in it.

    Raises:
        InputError: the weights are of another network.
    """
    with torch.random.fork_rng(devices=[]):
        body, _ = create_network(
            training.architecture, classes, training.image_size, training.adaptation, fresh=False
        )
        network = assembled(training, inputs, body, classes)
    front = {name.removeprefix(PREFIX): state.pop(name) for name in list(state) if _is_front(name)}
    try:
        network[0].load_state_dict(front)
        body.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path}: weights of another network ({one_line(error)})") from None
    return network.to(memory_format=torch.channels_last)


def _is_front(name: str) -> bool:
    return name.startswith(PREFIX)
