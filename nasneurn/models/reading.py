"""Files of saved weights read: the training, what is needed to use it without images, weights."""

import shlex
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, PositiveFloat, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nasneurn.configuration import FieldsError, Settings, first_fault
from nasneurn.environment import environment
from nasneurn.errors import InputError, one_line
from nasneurn.files import opened
from nasneurn.plain_values import Some
from nasneurn.studies.model_card import VERSION
from nasneurn.studies.training_unit import Training

Read = TypeVar("Read", bound=Settings)
#: A number for each channel of an image.
Means = tuple[float, float, float]
Deviations = tuple[PositiveFloat, PositiveFloat, PositiveFloat]


class Held(Settings):
    """What a file holds of a model beside its training and weights, see ``about_model``.

    Attributes:
        mean, std: what standardizes the stem's answers, by channel.
        plain_mean, plain_std: what standardizes the image itself; files of before placements have
            none.
        classes: their names, in the order of the logits.
        code: digests of code of one's own that the network is made by; files of before have none.
    """

    mean: Means
    std: Deviations
    plain_mean: Means | None = None
    plain_std: Deviations | None = None
    classes: Some[str]
    code: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.plain_mean is None) != (self.plain_std is None):
            raise FieldsError("plain_mean and plain_std must both be there, or neither")
        return self


def read_saved(path: Path) -> tuple[Training, Held | None, dict[str, Tensor]]:
    """The training of a file of weights, what else it holds of the model, and the weights.

    Raises:
        InputError: the file is none of saved weights, or of another version.
    """
    about, state = _read(path)
    if "training" not in about:
        raise InputError(_no_training(path))
    training = _checked(path, "training", Training, about)
    held = _checked(path, "model", Held, about) if "model" in about else None
    return training, held, state


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        opened(path).close()  # safe_open would wait for ever on a named pipe
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, state
    except (OSError, SafetensorError) as error:
        told = one_line(error)
        raise InputError(f"{path}: no saved weights can be read from it ({told})") from None


def _checked(path: Path, entry: str, kind: type[Read], about: dict[str, str]) -> Read:
    """What an entry of the metadata says.

    Raises:
        InputError: it is not as this version writes it; told with the field and both versions.
    """
    try:
        return kind.model_validate_json(about[entry])
    except ValidationError as error:
        fault = one_line(first_fault(error))
    writer = f"nasneurn {about[VERSION]}" if VERSION in about else "a nasneurn that left no version"
    reader = f"nasneurn {environment()['nasneurn']}"
    raise InputError(
        f"{path}: its {entry} cannot be read: {fault} (written by {writer}; this is {reader})"
    )


#: What a search leaves beside the weights of trainings, by folder.
_OF_A_SEARCH = {
    "found": "the weights that a found architecture inherits, without stem and scaling",
    "supernets": "the weights of a whole supernet",
}


def _no_training(path: Path) -> str:
    """What a file without a training is, and the way to one that has it."""
    folder = path.absolute().parent
    if what := _OF_A_SEARCH.get(folder.name):
        config = shlex.quote(str(folder.parent / "config.yaml"))
        return (
            f"{path}: holds {what}, no model that can be used alone; `nasneurn search --config "
            f"{config} --save-weights --out ANOTHER` searches again, and leaves models in "
            "ANOTHER/weights"
        )
    return (
        f"{path}: no saved weights can be read from it (it names no training); --save-weights of a "
        "study leaves models in its weights/"
    )
