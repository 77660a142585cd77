"""Pretrained weights of timm, torchvision and the Hugging Face hub, fetched by these libraries."""

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urlparse
from urllib.request import getproxies

from torch import Tensor

from alignment.variables import with_variables
from nasneurn.choices import suggestion
from nasneurn.errors import InputError, one_line
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.weights import HUBS
from search_spaces.quiet import quiet

T = TypeVar("T")

#: What torchvision transforms inside of the network, where it is asked for its pretrained weights.
#: Here it does not; these weights are of images from -1 to 1.
_TRANSFORMED = {"googlenet", "inception_v3"}
#: Side outputs, which are not built here.
_SIDE = ("aux1.", "aux2.", "AuxLogits.")


def known_tags(
    architectures: Iterable[Architecture], wanted: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The tags of pretrained weights by the names of architectures; see :func:`known_tag`."""
    return {
        one.name: tuple(dict.fromkeys(known_tag(one, tag) for tag in wanted.get(one.name, [""])))
        for one in architectures
    }


def known_tag(architecture: Architecture, wanted: str = "") -> str:
    """The tag of the pretrained weights of an architecture: the wanted one, or the default one.

    Raises:
        InputError: there are no such weights.
    """
    name, model = architecture.name, architecture.model
    if wanted.startswith(HUBS):
        return wanted
    if architecture.library not in ("timm", "torchvision"):
        raise InputError(
            f"there are no pretrained weights of {name}; say --weights scratch, or a file of them"
        )
    tags = _timm_tags(model) if architecture.library == "timm" else _torchvision_tags(model)
    if not tags:
        raise InputError(f"{architecture.library} has no pretrained weights of {name}")
    if wanted and wanted not in tags:
        raise InputError(
            f"{architecture.library} has no pretrained weights {wanted!r} of {model}; it has "
            f"{', '.join(tags)}{suggestion(wanted, tags)}"
        )
    return wanted or tags[0]


def _timm_tags(model: str) -> list[str]:
    """The tags of a model, the default one first."""
    import timm

    default = timm.get_pretrained_cfg(model)
    if default is None or not default.has_weights:
        return []
    names = [name.partition(".") for name in timm.list_pretrained(f"{model}*")]
    return list(dict.fromkeys([default.tag or "", *(tag for one, _, tag in names if one == model)]))


def _torchvision_tags(model: str) -> list[str]:
    from torchvision import models

    weights: Any = models.get_model_weights(model)
    return list(dict.fromkeys([weights.DEFAULT.name, *(one.name for one in weights)]))


def _timm_name(architecture: Architecture, tag: str) -> str:
    return tag if tag.startswith(HUBS) else f"{architecture.model}.{tag}".rstrip(".")


def normalization(
    architecture: Architecture, tag: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the deviation, by channel, of the images that the weights were trained on.

    Raises:
        InputError: the hub's description of them cannot be fetched.
    """
    if architecture.library == "torchvision":
        from torchvision import models

        if architecture.model in _TRANSFORMED:
            return (0.5,) * 3, (0.5,) * 3
        weights: Any = models.get_model_weights(architecture.model)
        told = weights[tag].transforms()
        return tuple(told.mean), tuple(told.std)
    if tag.startswith(HUBS):
        described, _, _ = _described(tag)
        mean, deviation = described.get("mean"), described.get("std")
        usual = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # as timm assumes
        return tuple(mean or usual[0]), tuple(deviation or usual[1])
    import timm

    found: Any = timm.get_pretrained_cfg(_timm_name(architecture, tag))
    return tuple(found.mean), tuple(found.std)


def hub_architecture(word: str) -> Architecture:
    """The architecture of timm that a repository of the hub describes.

    Raises:
        InputError: its description cannot be fetched, or is of something else.
    """
    import timm

    _, model, options = _described(word)
    if not isinstance(model, str) or not timm.is_model(model):
        raise InputError(f"{word} holds no network of this timm, but {model!r}")
    outputs = ("num_classes", "in_chans", "pretrained")
    kept = {key: value for key, value in options.items() if key not in outputs}
    return Architecture(
        name=word, library="timm", model=model, version=version("timm"), options=kept
    )


def _described(word: str) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """What a repository of the hub says of its network: of its weights, name and options."""
    from timm.models import load_model_config_from_hf

    def read() -> tuple[dict[str, Any], Any, dict[str, Any]]:
        try:
            return load_model_config_from_hf(word.partition(":")[2])  # type: ignore[no-any-return]
        except (KeyError, TypeError, AttributeError, AssertionError, ValueError) as error:
            if isinstance(error, OSError):  # which some errors of the hub are too
                raise
            raise InputError(f"{word}: its config.json describes no network of timm") from None

    return _from_hub(f"what {word} is (its config.json)", read, instead="")


def pretrained_weights(
    architecture: Architecture, tag: str, options: tuple[tuple[str, int], ...] = ()
) -> dict[str, Tensor]:
    """The pretrained weights by name, from the library's cache or fetched into it.

    Args:
        options: more arguments of the network's constructor; a library that can fits the weights
            to them, as those of a vision transformer to another size of image.

    Raises:
        InputError: they are not in the cache and cannot be fetched, or are damaged.
    """
    if architecture.library == "torchvision":
        return _of_torchvision(architecture, tag)
    import timm
    from timm.models import set_pretrained_check_hash

    name = _timm_name(architecture, tag)
    set_pretrained_check_hash(True)  # of those whose name has it

    def create() -> dict[str, Tensor]:
        # With the classes that it was trained on, so that nothing may be missing.
        network = timm.create_model(
            name, pretrained=True, **{**architecture.options, **dict(options)}
        )
        return dict(network.state_dict())

    return _from_hub(f"the pretrained weights {name}", create)


def _of_torchvision(architecture: Architecture, tag: str) -> dict[str, Tensor]:
    import torch
    from torchvision import models

    weights: Any = models.get_model_weights(architecture.model)[tag]
    what = f"torchvision's pretrained weights {architecture.model}.{tag}"
    kept = os.path.join(torch.hub.get_dir(), "checkpoints", os.path.basename(weights.url))
    with _told(what, "TORCH_HOME", A_FILE):
        if not os.path.exists(kept):
            _reach(weights.url)
        # By its own builder, which renames what old files call otherwise.
        network = models.get_model(architecture.model, weights=weights, progress=False)
    state: dict[str, Tensor] = network.state_dict()
    return {key: value for key, value in state.items() if not key.startswith(_SIDE)}


#: What else one can do where weights cannot be fetched.
A_FILE = ", or say --weights FILE"


def _from_hub(what: str, get: Callable[[], T], instead: str = A_FILE) -> T:
    """What ``get`` reads by way of the hub's library: what is in its cache, else fetched."""
    from huggingface_hub import constants

    with _told(what, "HF_HOME", instead):
        if constants.HF_HUB_OFFLINE:
            return get()
        try:
            # The cache alone: what a study began with it goes on with, also without network.
            constants.HF_HUB_OFFLINE = True
            with quiet("huggingface_hub", "timm"):
                return get()
        except OSError:
            pass
        finally:
            constants.HF_HUB_OFFLINE = False
        _reach(constants.ENDPOINT)
        return get()


def _reach(url: str) -> None:
    """Fail at once where there is no network: libraries try again and again, for a minute."""
    if not getproxies():  # one would look the name up
        socket.getaddrinfo(urlparse(url).hostname, 443)


#: What PyTorch reads at each ``torch.load``, whatever the library that calls it says.
_TENSORS_ALONE = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0"}


@contextmanager
def _told(what: str, home: str, instead: str = "") -> Iterator[None]:
    """Whatever is raised while weights are fetched and read, as one line.

    No code in a file is run meanwhile: PyTorch's own hub would run that of a cached file.
    """
    try:
        with with_variables(_TENSORS_ALONE):
            yield
    except InputError:
        raise
    except Exception as error:  # of several libraries below these, too
        reason = one_line(error)
        below = type(error).__module__.partition(".")[0]
        if isinstance(error, OSError) or below in ("httpx", "http", "urllib", "requests"):
            raise InputError(
                f"not in the cache and cannot be fetched: {what} ({reason}); bring the cache of a "
                f"machine that has it ({home}){instead}"
            ) from None
        raise InputError(
            f"cannot be used, the cached file may be damaged: {what} ({reason})"
        ) from None
