"""Keras Applications as Keras lists their layers; read from data, so Keras is not needed.

The file holds each listing as a string with one letter a layer, and what each letter stands for.
``python -m alignment.keras_models`` writes it with the Keras that is installed.
"""

import json
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from alignment.errors import AlignmentError, did_you_mean

#: Applications in the order of the published figure. Its other 18 are models of PyTorch.
APPLICATIONS = (
    "MobileNet",
    "MobileNetV2",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNet50V2",
    "ResNet101V2",
    "ResNet152V2",
    "Xception",
    "InceptionV3",
    "InceptionResNetV2",
    "VGG16",
    "VGG19",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "NASNetMobile",
    "NASNetLarge",
    *(f"EfficientNetB{number}" for number in range(8)),
)

#: Layers that are never listed: VGG-16 is C C M ... C C C M L L L.
LEFT_OUT = frozenset({"InputLayer", "Flatten"})


def keras_listing(name: str) -> tuple[str, ...]:
    """The class names of the layers of an application, in the order of its ``layers``.

    Args:
        name: one of :data:`APPLICATIONS`, in small or capital letters.

    Raises:
        AlignmentError: none of them.

    >>> keras_listing("vgg16")[:4]
    ('Conv2D', 'Conv2D', 'MaxPooling2D', 'Conv2D')
    """
    by_name = {known.lower(): known for known in APPLICATIONS}
    known = by_name.get(name.lower())
    if known is None:
        near = did_you_mean(name.lower(), by_name)
        raise AlignmentError(
            f"no listing of a Keras application {name!r} is kept; choose of "
            f"{', '.join(APPLICATIONS)}" + (near and f"; {near}")
        )
    data = _data()
    classes: Mapping[str, str] = data["classes"]
    return listed_classes(classes[letter] for letter in data["listings"][known])


def listed_classes(classes: Iterable[str]) -> tuple[str, ...]:
    """Class names of layers without :data:`LEFT_OUT`."""
    return tuple(name for name in classes if name not in LEFT_OUT)


@cache
def _data() -> dict[str, Any]:
    text = files("alignment").joinpath("data", "keras_layers.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def listings_text(version: str, listings: Mapping[str, Sequence[str]]) -> str:
    """The file's text: whole listings, with input and flatten, one a line."""
    letters = _letters(name for listing in listings.values() for name in listing)
    data = {
        "keras": version,
        "made by": "python -m alignment.keras_models",
        "classes": {letter: name for name, letter in letters.items()},
        "listings": {
            name: "".join(letters[layer] for layer in listing) for name, listing in listings.items()
        },
    }
    return json.dumps(data, indent=1) + "\n"


def _letters(names: Iterable[str]) -> dict[str, str]:
    """A letter for each name, one of its own if it can be; the most frequent names choose first."""
    counts = Counter(names)
    letters: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        wanted = [*(c for c in name if c.isupper()), *name.upper(), *string.ascii_letters]
        letters[name] = next(c for c in wanted if c.isalpha() and c not in letters.values())
    return letters
