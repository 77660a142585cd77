"""Architectures by name as networks to train, for small and large images, by stated rules."""

import csv
import difflib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from alignment.errors import AlignmentError
from alignment.zoo import Request, resolve
from nasneurn.errors import InputError
from nasneurn.paths import cache_dir

if TYPE_CHECKING:
    from torch import nn

#: Where the alignment's choice and the searches lie, from the folder of the command.
RESULTS = Path("results")
#: How many architectures stand for the 44.
REPRESENTATIVES = 10
#: A vision transformer gets at least so many patches along each side of an image.
PATCHES = 8
#: Sides to which images are enlarged for an architecture that cannot take them as they are.
UPSAMPLED = range(32, 513, 32)


class Backbone(BaseModel):
    """An architecture without weights: a name of timm or torchvision, or what a search found.

    Attributes:
        name: how outputs call it: ``vgg19``, ``torchvision:resnet18``, ``spos/mnist-neurn-0``.
        library: "timm", "torchvision" or "search".
        model: its name in the library; empty for "search".
        found: for "search", its ``space``, ``settings`` and ``architecture``.
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
        InputError: an unknown name (the nearest are suggested), or a file that cannot be used.
    """
    found: dict[str, Backbone] = {}
    for word in (part.strip() for text in words for part in text.split(",")):
        for backbone in _named(word) if word else ():
            # One network may have two names: resnetv2_50 of timm is resnet50v2 of the zoo.
            content = backbone.model_dump_json(exclude={"name"})
            found.setdefault(content, backbone)
    if not found:
        raise InputError("no models; name some, such as resnet18, or say representatives")
    names = set()
    for name in (backbone.name for backbone in found.values()):
        if name in names:
            raise InputError(
                f"{name} names two architectures of different searches; choose one with "
                f"architecture.json#{name.partition('/')[2]}"
            )
        names.add(name)
    return tuple(found.values())


def _named(word: str) -> list[Backbone]:
    if word == "representatives":
        return [*_representatives(), *_best_found()]
    path, _, run = word.partition("#")
    if path.endswith(".json"):
        records = _records(Path(path))
        chosen = [record for record in records if not run or record["run"] == run]
        if not chosen:
            runs = ", ".join(record["run"] for record in records)
            raise InputError(f"{path} holds no run {run!r}; it holds {runs}")
        return [_of_search(record) for record in chosen]
    try:
        requests = resolve([word], _catalogue)
    except AlignmentError as error:
        raise InputError(str(error)) from None
    return [_of_library(request) for request in requests]


def _catalogue() -> list[str]:
    from alignment.sequences import catalogue

    return catalogue(cache_dir() / "alignment")


def _of_library(request: Request) -> Backbone:
    model = request.model
    # What bears its library's name was taken at its word so far.
    if request.name == f"{request.library}:{model}":
        if request.library == "timm":
            known, model = _catalogue(), model.split(".")[0]  # behind the dot, weights
        else:
            from torchvision import models

            known = models.list_models(module=models)
        if model not in known:
            near = difflib.get_close_matches(model, known, 3)
            hint = f": did you mean {' or '.join(near)}?" if near else ""
            raise InputError(f"{request.library} has no image classifier {model!r}{hint}")
    return Backbone(name=request.name, library=request.library, model=model)


def _representatives() -> list[Backbone]:
    """Those of ``results/align``, or of an alignment made now."""
    path = RESULTS / "align" / "representatives.csv"
    if path.is_file():
        names = _chosen(path)
    else:
        from alignment.run import Options, compute
        from nasneurn.networks.alignment_models import gather

        options = Options(representatives=REPRESENTATIVES)
        outcome = compute(gather(["all"]), options, with_variants=False)
        names = [outcome.names[row] for row in outcome.representatives]
    return [backbone for name in names for backbone in _named(name)]


def _chosen(path: Path) -> list[str]:
    """The column ``representative`` of a table that has a row for each member of a cluster."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(dict.fromkeys(row["representative"] for row in csv.DictReader(file)))
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        reason = f"no column {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{path}: not a table of representatives ({reason})") from None


def _best_found() -> list[Backbone]:
    """Of each search space, what did best on held-out source images, in all searches there are."""
    best: dict[str, dict[str, Any]] = {}
    for path in sorted(RESULTS.glob("search-*/**/architecture.json")):
        for record in _records(path):
            rival = best.setdefault(record["space"], record)
            if record.get("source_accuracy", 0.0) > rival.get("source_accuracy", 0.0):
                best[record["space"]] = record
    return [_of_search(record) for record in best.values()]


def _records(path: Path) -> list[dict[str, Any]]:
    """What a search wrote about the architectures it found."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as found architectures ({error})") from None
    if not isinstance(records, list) or not records:
        raise InputError(f"{path}: holds no list of found architectures")
    for index, record in enumerate(records):
        for key, kind in (("run", str), ("space", str), ("settings", dict), ("architecture", dict)):
            if not isinstance(record, dict) or not isinstance(record.get(key), kind):
                raise InputError(f"{path}: record {index} is no found architecture: no {key!r}")
    return records


def _of_search(record: dict[str, Any]) -> Backbone:
    found = {key: record[key] for key in ("space", "settings", "architecture")}
    name = f"{record['space']}/{record['run']}"
    return Backbone(name=name, library="search", model="", found=found)


# ---------------------------------------------------------------- from backbones to networks


@dataclass(frozen=True)
class Case:
    """An architecture of a library, and what it is to do."""

    backbone: Backbone
    classes: int
    image_size: int

    def timm_says(self, field: str) -> Any:
        """A field of timm's description of the architecture; None if it is not timm's."""
        if self.backbone.library != "timm":
            return None
        import timm

        return getattr(timm.get_pretrained_cfg(self.backbone.model), field, None)


@dataclass(frozen=True)
class Adaptation:
    """How a library's network is made to take images of a size.

    Attributes:
        options: more arguments of the network's constructor.
        upsampled: side to which images are enlarged in front of the network.
    """

    options: tuple[tuple[str, int], ...] = ()
    upsampled: int | None = None

    def __str__(self) -> str:
        """What tables say of it."""
        if self.upsampled is not None:
            return f"upsampled to {self.upsampled}"
        return ", ".join(f"{key}={value}" for key, value in self.options) or "as published"


@dataclass(frozen=True)
class Rule:
    """One way to make a network take images of a size.

    Attributes:
        name: what it does.
        condition: whether it is for such a case.
        adaptations: what it tries, in this order.
    """

    name: str
    condition: Callable[[Case], bool]
    adaptations: Callable[[Case], Iterable[Adaptation]]


def _always(case: Case) -> bool:
    return True


def _of_published_size(case: Case) -> bool:
    """Whether the images are as large as the published ones, as far as the library tells."""
    published = case.timm_says("input_size")
    return published is not None and bool(case.image_size >= published[-1])


def _built_for_one_size(case: Case) -> bool:
    """Whether the network is built for one size of image, ``img_size``."""
    return bool(case.timm_says("fixed_input_size"))


def _unchanged(case: Case) -> list[Adaptation]:
    return [Adaptation()]


def _sized(case: Case) -> list[Adaptation]:
    size = case.image_size
    sized = Adaptation((("img_size", size),))
    network = _on_meta(case.backbone, case.classes, sized.options)
    modules = () if network is None else network.modules()
    # Of modules that work on patches the first one cuts the image; some say (height, width).
    patch: Any = next((one.patch_size for one in modules if hasattr(one, "patch_size")), 1)
    if size // (max(patch) if isinstance(patch, tuple) else patch) >= PATCHES:
        return [sized]
    return [Adaptation((*sized.options, ("patch_size", max(2, size // PATCHES))))]


def _upsampled(case: Case) -> Iterator[Adaptation]:
    return (Adaptation(upsampled=side) for side in UPSAMPLED if side > case.image_size)


#: The first adaptation with which a network runs is taken.
RULES = (
    Rule("images of the published size or more: no change", _of_published_size, _unchanged),
    Rule("built for one size of image: for this one", _built_for_one_size, _sized),
    Rule("any other: no change", _always, _unchanged),
    Rule("what does not run so: images enlarged", _always, _upsampled),
)


def create_backbone(backbone: Backbone, classes: int, image_size: int) -> "tuple[nn.Module, str]":
    """The network (N, 3, S, S) -> (N, classes), and how it was adapted to images of that size.

    Weights are drawn from PyTorch's generator as it stands; finding the adaptation, on the meta
    device, draws nothing from it.

    Raises:
        InputError: no rule makes the architecture take such images.
    """
    from torch import nn

    if backbone.found is not None:
        return _found_network(backbone.name, backbone.found, classes, image_size), "as found"
    adaptation = _adaptation(Case(backbone, classes, image_size))
    network = _build(backbone, classes, adaptation.options)
    if adaptation.upsampled is not None:
        enlarge = nn.Upsample(size=adaptation.upsampled, mode="bilinear", align_corners=False)
        network = nn.Sequential(enlarge, network)
    return network, str(adaptation)


@cache
def _adaptation(case: Case) -> Adaptation:
    import torch

    with torch.random.fork_rng(devices=[]):
        for rule in RULES:
            if rule.condition(case):
                for adaptation in rule.adaptations(case):
                    if _runs(case, adaptation):
                        return adaptation
    raise InputError(
        f"{case.backbone.name} cannot take images of {case.image_size} pixels, "
        f"nor enlarged ones of up to {UPSAMPLED[-1]}"
    )


def _runs(case: Case, adaptation: Adaptation) -> bool:
    """Whether the network gives logits, in training and after, and no map on the way is empty."""
    import torch

    network = _on_meta(case.backbone, case.classes, adaptation.options)
    if network is None:
        return False
    side = adaptation.upsampled or case.image_size
    images = torch.empty(2, 3, side, side, device="meta")
    try:
        with torch.device("meta"), torch.no_grad():
            answers = [network.train(mode)(images) for mode in (True, False)]
    except Exception:  # whatever an architecture raises for a size that it was not made for
        return False
    wanted = (2, case.classes)
    return all(isinstance(one, torch.Tensor) and one.shape == wanted for one in answers)


# One: a rule's adaptations, and those of the next rules, mostly differ in the images alone.
@lru_cache(maxsize=1)
def _on_meta(
    backbone: Backbone, classes: int, options: tuple[tuple[str, int], ...]
) -> "nn.Module | None":
    """The network without weights, which refuses empty maps; None if it cannot be built so."""
    import torch

    def refuse_empty(module: "nn.Module", inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.numel() == 0:
            raise ValueError(f"{type(module).__name__} gives an empty map")

    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes for which nothing would be left
            network = _build(backbone, classes, options)
    except Exception:  # as for sizes: it is not known what they raise
        return None
    for module in network.modules():
        module.register_forward_hook(refuse_empty)
    return network


#: Two of torchvision have side outputs in training, which no loss here takes. Without the second
#: option they warn, and draw the published weights all the same.
_ALONE = {"aux_logits": False, "init_weights": True}
_TORCHVISION_OPTIONS = {"googlenet": _ALONE, "inception_v3": _ALONE}


def _build(backbone: Backbone, classes: int, options: tuple[tuple[str, int], ...]) -> "nn.Module":
    chosen: dict[str, Any] = {"num_classes": classes, **dict(options)}
    if backbone.library == "timm":
        import timm

        network: nn.Module = timm.create_model(backbone.model, pretrained=False, **chosen)
        return network
    from torchvision import models

    chosen |= _TORCHVISION_OPTIONS.get(backbone.model, {})
    network = models.get_model(backbone.model, weights=None, **chosen)
    return network


def _found_network(name: str, found: dict[str, Any], classes: int, image_size: int) -> "nn.Module":
    """What a search found, without the stem that it was found behind: stems are chosen apart."""
    from nasneurn.networks.spaces import SPACES, SpaceChoice
    from nasneurn.search.config import StemChoice

    space, settings = found["space"], found["settings"]
    if space not in SPACES:
        raise InputError(f"{name} is of space {space!r}, must be one of {', '.join(SPACES)}")
    if settings.get("image_size") != image_size:
        raise InputError(
            f"{name} was found for images of {settings.get('image_size')} pixels; "
            f"it cannot take {image_size}"
        )
    choice = SpaceChoice(space, {**settings, "num_classes": classes}, StemChoice(name="none"))
    try:
        return choice.network(found["architecture"])
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} cannot be built: {reason}") from error
