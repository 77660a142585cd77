"""The 44 architectures, and how a name becomes an architecture.

The paper (arXiv 2505.06881) aligns 44 architectures and does not list them. This table is a
reconstruction: the models of Keras Applications at the time of the paper, and four vision
transformers, are exactly 44. timm has all but NASNet mobile; PNASNet-5 large, of the same search
space's successor, stands in for it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from alignment.errors import AlignmentError, did_you_mean


@dataclass(frozen=True, slots=True)
class Known:
    """One row of the zoo.

    Attributes:
        name: how this project calls it.
        family: its colour in figures.
        paper_name: its name in Keras Applications, or in the paper that it comes from.
        timm: its name in timm.
        size: side of its images.
        note: where it differs from what the paper-era name stands for.
    """

    name: str
    family: str
    paper_name: str
    timm: str
    size: int
    note: str = ""


# fmt: off
ZOO = tuple(Known(*row) for row in (
    ("xception",          "Xception",       "Xception",          "legacy_xception",          299),
    ("vgg16",             "VGG",            "VGG16",             "vgg16",                    224),
    ("vgg19",             "VGG",            "VGG19",             "vgg19",                    224),
    ("resnet50",          "ResNet",         "ResNet50",          "resnet50",                 224),
    ("resnet101",         "ResNet",         "ResNet101",         "resnet101",                224),
    ("resnet152",         "ResNet",         "ResNet152",         "resnet152",                224),
    ("resnet50v2",        "ResNetV2",       "ResNet50V2",        "resnetv2_50",              224),
    ("resnet101v2",       "ResNetV2",       "ResNet101V2",       "resnetv2_101",             224),
    ("resnet152v2",       "ResNetV2",       "ResNet152V2",       "resnetv2_152",             224),
    ("inceptionv3",       "Inception",      "InceptionV3",       "inception_v3",             299),
    ("inceptionresnetv2", "Inception",      "InceptionResNetV2", "inception_resnet_v2",      299),
    ("mobilenet",         "MobileNet",      "MobileNet",         "mobilenetv1_100",          224),
    ("mobilenetv2",       "MobileNet",      "MobileNetV2",       "mobilenetv2_100",          224),
    ("mobilenetv3small",  "MobileNet",      "MobileNetV3Small",  "tf_mobilenetv3_small_100", 224),
    ("mobilenetv3large",  "MobileNet",      "MobileNetV3Large",  "tf_mobilenetv3_large_100", 224),
    ("densenet121",       "DenseNet",       "DenseNet121",       "densenet121",              224),
    ("densenet169",       "DenseNet",       "DenseNet169",       "densenet169",              224),
    ("densenet201",       "DenseNet",       "DenseNet201",       "densenet201",              224),
    ("pnasnetlarge",      "NASNet",         "NASNetMobile",      "pnasnet5large",            331,
     "stands in for NASNetMobile, which timm lacks"),
    ("nasnetlarge",       "NASNet",         "NASNetLarge",       "nasnetalarge",             331),
    ("efficientnetb0",    "EfficientNet",   "EfficientNetB0",    "tf_efficientnet_b0",       224),
    ("efficientnetb1",    "EfficientNet",   "EfficientNetB1",    "tf_efficientnet_b1",       240),
    ("efficientnetb2",    "EfficientNet",   "EfficientNetB2",    "tf_efficientnet_b2",       260),
    ("efficientnetb3",    "EfficientNet",   "EfficientNetB3",    "tf_efficientnet_b3",       300),
    ("efficientnetb4",    "EfficientNet",   "EfficientNetB4",    "tf_efficientnet_b4",       380),
    ("efficientnetb5",    "EfficientNet",   "EfficientNetB5",    "tf_efficientnet_b5",       456),
    ("efficientnetb6",    "EfficientNet",   "EfficientNetB6",    "tf_efficientnet_b6",       528),
    ("efficientnetb7",    "EfficientNet",   "EfficientNetB7",    "tf_efficientnet_b7",       600),
    ("efficientnetv2b0",  "EfficientNetV2", "EfficientNetV2B0",  "tf_efficientnetv2_b0",     224),
    ("efficientnetv2b1",  "EfficientNetV2", "EfficientNetV2B1",  "tf_efficientnetv2_b1",     240),
    ("efficientnetv2b2",  "EfficientNetV2", "EfficientNetV2B2",  "tf_efficientnetv2_b2",     260),
    ("efficientnetv2b3",  "EfficientNetV2", "EfficientNetV2B3",  "tf_efficientnetv2_b3",     300),
    ("efficientnetv2s",   "EfficientNetV2", "EfficientNetV2S",   "tf_efficientnetv2_s",      384),
    ("efficientnetv2m",   "EfficientNetV2", "EfficientNetV2M",   "tf_efficientnetv2_m",      480),
    ("efficientnetv2l",   "EfficientNetV2", "EfficientNetV2L",   "tf_efficientnetv2_l",      480),
    ("convnexttiny",      "ConvNeXt",       "ConvNeXtTiny",      "convnext_tiny",            224),
    ("convnextsmall",     "ConvNeXt",       "ConvNeXtSmall",     "convnext_small",           224),
    ("convnextbase",      "ConvNeXt",       "ConvNeXtBase",      "convnext_base",            224),
    ("convnextlarge",     "ConvNeXt",       "ConvNeXtLarge",     "convnext_large",           224),
    ("convnextxlarge",    "ConvNeXt",       "ConvNeXtXLarge",    "convnext_xlarge",          224),
    ("vitb16",            "ViT",            "ViT-B/16",          "vit_base_patch16_224",     224),
    ("vitb32",            "ViT",            "ViT-B/32",          "vit_base_patch32_224",     224),
    ("vitl16",            "ViT",            "ViT-L/16",          "vit_large_patch16_224",    224),
    ("vitl32",            "ViT",            "ViT-L/32",          "vit_large_patch32_224",    224),
))
# fmt: on


@dataclass(frozen=True, slots=True)
class Request:
    """An architecture that was asked for.

    Attributes:
        name: how outputs call it.
        library: "timm" or "torchvision".
        model: its name there.
        size: side of the image; None is the library's own choice.
        family: None is the module of the library that defines it.
        classes: outputs of the classifier; None is the library's own choice, which for weights
            without a classifier is to have none.
    """

    name: str
    library: str
    model: str
    size: int | None = None
    family: str | None = None
    classes: int | None = None


#: Every architecture of the zoo has the classifier of ImageNet.
ZOO_CLASSES = 1000


def _of_zoo(known: Known) -> Request:
    return Request(known.name, "timm", known.timm, known.size, known.family, ZOO_CLASSES)


_BY_NAME = {
    alias.lower(): known for known in ZOO for alias in (known.paper_name, known.timm, known.name)
}
# The stand-in answers to its own names alone.
del _BY_NAME["nasnetmobile"]


def resolve(models: Iterable[str], catalogue: Callable[[], Sequence[str]]) -> list[Request]:
    """The architectures that ``models`` name, each once, in that order.

    Args:
        models: each is ``all`` (the 44), ``timm`` (the whole catalogue), a name of the zoo (also
            its paper-era name), of timm, or ``torchvision:NAME``, a glob over the names of timm
            and the zoo, or a text file with one of these on each line.
        catalogue: gives the names that timm knows; called only if they are needed.

    Raises:
        AlignmentError: a name is unknown (the nearest are suggested), a glob matches nothing, or
            a file cannot be read.

    >>> [request.model for request in resolve(["VGG16", "resnet50v2"], list)]
    ['vgg16', 'resnetv2_50']
    """
    found: dict[str, Request] = {}
    for model in _lines(models):
        for request in _one(model, catalogue):
            found.setdefault(request.name, request)
    if not found:
        raise AlignmentError("no models; name some, or say all")
    return list(found.values())


def _lines(models: Iterable[str]) -> Iterable[str]:
    for model in models:
        path = Path(model)
        if path.suffix != ".txt" and not (path.parent != Path() and path.is_file()):
            yield model.strip()
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise AlignmentError(f"{path}: cannot be read as a list of models ({error})") from error
        for line in lines:
            name = line.split("#")[0].strip()
            if name:
                yield name


def _one(model: str, catalogue: Callable[[], Sequence[str]]) -> list[Request]:
    if model == "all":
        return [_of_zoo(known) for known in ZOO]
    if model == "timm":
        return [Request(name, "timm", name) for name in catalogue()]
    library, _, rest = model.partition(":")
    if rest and library in ("timm", "torchvision"):
        return [Request(model, library, rest)]
    if any(letter in model for letter in "*?["):
        return _matching(model, catalogue())
    if model.lower() in _BY_NAME:
        return [_of_zoo(_BY_NAME[model.lower()])]
    names = catalogue()
    # timm's names may carry the weights after a dot; the architecture is the same.
    if (plain := model.split(".")[0]) in names:
        return [Request(plain, "timm", plain)]
    known = [*(row.name for row in ZOO), *names]
    hint = did_you_mean(model.lower(), known, 3) or "see `all`, `timm`, or a glob: res*"
    raise AlignmentError(f"unknown model {model!r}: {hint}")


def _matching(pattern: str, names: Sequence[str]) -> list[Request]:
    matched = [name for name in names if fnmatchcase(name, pattern)]
    zoo = [row for row in ZOO if fnmatchcase(row.name, pattern) and row.timm not in matched]
    if not matched and not zoo:
        raise AlignmentError(f"no model matches {pattern!r}")
    of_zoo = {row.timm: _of_zoo(row) for row in ZOO if row.timm == row.name}
    requests = [of_zoo.get(name, Request(name, "timm", name)) for name in matched]
    return [*map(_of_zoo, zoo), *requests]
