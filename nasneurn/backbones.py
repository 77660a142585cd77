"""Architectures by name as networks to train, for small and large images, by stated rules."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from alignment.zoo import Request, resolve
from nasneurn.errors import InputError
from nasneurn.paths import cache_dir

if TYPE_CHECKING:
    from torch import nn

#: Where the alignment's choice and the searches lie, from the folder of the command.
RESULTS = Path("results")
#: How many architectures stand for the 44.
REPRESENTATIVES = 10
#: Sides to which images are enlarged for an architecture that cannot take them as they are.
ENLARGED = range(64, 513, 32)


class Backbone(BaseModel):
    """An architecture without weights: a name of timm or torchvision, or what a search found.

    ``found`` is the record of the search: its ``space``, ``settings`` and ``architecture``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    library: str
    model: str
    found: dict[str, Any] | None = None


# ---------------------------------------------------------------- from words to backbones


def resolve_backbones(words: Sequence[str]) -> tuple[Backbone, ...]:
    """The architectures that ``words`` name, each once, in that order.

    Args:
        words: each is ``representatives``, what :func:`alignment.zoo.resolve` takes, or the path
            of an ``architecture.json``, behind it ``#RUN`` for that of one run; commas part
            several in one string.

    Raises:
        InputError: a file of found architectures that cannot be used.
        AlignmentError: an unknown name, with the nearest ones.
    """
    found: dict[str, Backbone] = {}
    for word in (part.strip() for text in words for part in text.split(",")):
        for backbone in _named(word) if word else ():
            found.setdefault(backbone.name, backbone)
    if not found:
        raise InputError("no models; name some, such as resnet18, or say representatives")
    return tuple(found.values())


def _named(word: str) -> list[Backbone]:
    if word == "representatives":
        return [*_representatives(), *_best_found()]
    path, _, run = word.partition("#")
    if path.endswith(".json"):
        records = [record for record in _records(Path(path)) if not run or record["run"] == run]
        if not records:
            raise InputError(f"{path} holds no architecture of a run {run!r}")
        return [_of_search(record, path) for record in records]
    return [_of_library(request) for request in resolve([word], _catalogue)]


def _catalogue() -> list[str]:
    from alignment.sequences import catalogue

    return list(catalogue(cache_dir() / "alignment"))


def _of_library(request: Request) -> Backbone:
    return Backbone(name=request.name, library=request.library, model=request.model)


def _representatives() -> list[Backbone]:
    """Those of ``results/align``, or of an alignment made now."""
    path = RESULTS / "align" / "representatives.csv"
    if path.is_file():
        try:
            names = list(dict.fromkeys(pd.read_csv(path)["representative"]))
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: not a table of representatives ({error})") from None
    else:
        from alignment.run import Options, compute
        from nasneurn.alignment_models import gather

        outcome = compute(gather(["all"]), Options(representatives=REPRESENTATIVES))
        names = [outcome.names[row] for row in outcome.representatives]
    return [_of_library(request) for name in names for request in resolve([name], _catalogue)]


def _best_found() -> list[Backbone]:
    """Of each search space, what did best on held-out source images, in all searches there are."""
    best: dict[str, tuple[float, Backbone]] = {}
    for path in sorted(RESULTS.glob("search-*/architecture.json")):
        for record in _records(path):
            backbone = _of_search(record, str(path))
            score = float(record.get("source_accuracy", 0.0))
            space = str(record["space"])
            if space not in best or score > best[space][0]:
                best[space] = (score, backbone)
    return [backbone for _, backbone in best.values()]


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as found architectures ({error})") from None
    return records if isinstance(records, list) else [records]


def _of_search(record: dict[str, Any], path: str) -> Backbone:
    try:
        found = {key: record[key] for key in ("space", "settings", "architecture")}
        name = f"{record['space']}/{record['run']}"
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not a record of a found architecture ({error})") from None
    return Backbone(name=name, library="search", model="", found=found)


# ---------------------------------------------------------------- from backbones to networks


@dataclass(frozen=True)
class Adaptation:
    """How a library's network is made to take images of a size; see :data:`RULES`.

    Attributes:
        text: what tables say of it.
        options: more arguments of the network's constructor.
        enlarged: side to which images are enlarged in front of the network.
    """

    text: str
    options: tuple[tuple[str, int], ...] = ()
    enlarged: int | None = None


def _tokens(backbone: Backbone, size: int) -> list[Adaptation]:
    """A vision transformer for this very size, with patches small enough for 8 x 8 of them."""
    if backbone.library != "timm" or size >= 128:
        return []
    patch = max(2, size // 8)
    options = (("img_size", size), ("patch_size", patch))
    return [Adaptation(f"img_size={size}, patch_size={patch}", options)]


def _published(backbone: Backbone, size: int) -> list[Adaptation]:
    return [Adaptation("as published")]


def _sized(backbone: Backbone, size: int) -> list[Adaptation]:
    """A network that is built for one size of image, at this size."""
    if backbone.library != "timm":
        return []
    return [Adaptation(f"img_size={size}", (("img_size", size),))]


def _enlarged(backbone: Backbone, size: int) -> list[Adaptation]:
    return [Adaptation(f"enlarged to {side}", enlarged=side) for side in ENLARGED if side > size]


#: Tried in this order: the first adaptation with which a network runs is taken.
RULES: tuple[Callable[[Backbone, int], list[Adaptation]], ...] = (
    _tokens,
    _published,
    _sized,
    _enlarged,
)


def create_backbone(backbone: Backbone, classes: int, image_size: int) -> "tuple[nn.Module, str]":
    """The network (N, 3, S, S) -> (N, classes), and how it was adapted to images of that size.

    Weights are drawn from PyTorch's generator as it stands.

    Raises:
        InputError: no rule makes the architecture take such images.
    """
    from torch import nn

    if backbone.found is not None:
        return _found_network(backbone, classes, image_size), "as found"
    chosen = _adaptation(backbone.library, backbone.model, classes, image_size)
    network = _build(backbone, classes, chosen)
    if chosen.enlarged is None:
        return network, chosen.text
    enlarge = nn.Upsample(size=chosen.enlarged, mode="bilinear", align_corners=False)
    return nn.Sequential(enlarge, network), chosen.text


@cache
def _adaptation(library: str, model: str, classes: int, image_size: int) -> Adaptation:
    backbone = Backbone(name=model, library=library, model=model)
    for rule in RULES:
        for adaptation in rule(backbone, image_size):
            if _runs(backbone, classes, adaptation, image_size):
                return adaptation
    raise InputError(
        f"{model} cannot be built for images of {image_size} pixels and {classes} classes, "
        f"nor does it take them enlarged to {ENLARGED[-1]}"
    )


def _runs(backbone: Backbone, classes: int, adaptation: Adaptation, image_size: int) -> bool:
    """Whether the network gives logits, in training and after: tried without any weights."""
    import torch

    side = adaptation.enlarged or image_size
    try:
        with torch.device("meta"), torch.no_grad():
            network = _build(backbone, classes, adaptation)
            for training in (True, False):
                logits = network.train(training)(torch.empty(2, 3, side, side))
                if tuple(logits.shape) != (2, classes):
                    return False
    except Exception:  # whatever an architecture raises for a size that it was not made for
        return False
    return True


def _build(backbone: Backbone, classes: int, adaptation: Adaptation) -> "nn.Module":
    options: dict[str, Any] = dict(adaptation.options)
    if backbone.library == "timm":
        import timm

        return timm.create_model(  # type: ignore[no-any-return]
            backbone.model, pretrained=False, num_classes=classes, **options
        )
    import torchvision

    # Two of its architectures have side outputs in training, which no loss here takes.
    if backbone.model in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    return torchvision.models.get_model(  # type: ignore[no-any-return]
        backbone.model, weights=None, num_classes=classes, **options
    )


def _found_network(backbone: Backbone, classes: int, image_size: int) -> "nn.Module":
    from nasneurn.search.config import StemChoice
    from nasneurn.search.spaces import SpaceChoice

    assert backbone.found is not None
    settings = dict(backbone.found["settings"])
    for field, wanted in (("num_classes", classes), ("image_size", image_size)):
        if settings.get(field) != wanted:
            raise InputError(
                f"{backbone.name} was found with {field} {settings.get(field)}; "
                f"it cannot be trained with {wanted}"
            )
    choice = SpaceChoice(backbone.found["space"], settings, StemChoice(name="none"))
    return choice.network(backbone.found["architecture"])
