"""Architectures as sequences of layers for the alignment: known ones, found ones, one's own."""

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from alignment.keras_models import SUFFIXES
from alignment.layers import Architecture
from alignment.zoo import Request, resolve
from nasneurn.choices import split_choices
from nasneurn.errors import InputError, listed, one_line
from nasneurn.networks.found import FoundArchitecture, choose_found, read_found
from nasneurn.networks.names import is_own, lines_of, own_architecture
from nasneurn.networks.own import NETWORKS, create_own
from nasneurn.networks.weights import HUBS
from nasneurn.paths import cache_dir

if TYPE_CHECKING:
    from torch import nn

#: (C, H, W) of an image.
Shape: TypeAlias = tuple[int, int, int]

#: Images for a network of one's own, if nothing else is said.
OWN_SHAPE: Shape = (3, 32, 32)

#: Classes of a network of one's own.
OWN_CLASSES = 10

#: How many names a message lists.
LISTED = 3

#: What to install for modules whose package has another name.
PACKAGES = {"segmentation_models_pytorch": "segmentation-models-pytorch"}


@dataclass(frozen=True)
class Wanted:
    """An architecture that was named, and is not yet traced.

    Attributes:
        name: how outputs are to call it.
        source: what the alignment's cache keeps, or what makes it.
        file: where it was read from, if from a file: what tells two of one name apart.
        shaped: whether it takes images of any shape that a person chooses.
    """

    name: str
    source: Request | Callable[[], Architecture]
    file: Path | None = None
    shaped: bool = False


def gather(
    models: Sequence[str],
    *,
    jobs: int | None = None,
    strict: bool = False,
    figures: bool = False,
    trust_code: bool = False,
    input_shape: Shape | None = None,
) -> list[Architecture]:
    """The architectures that ``models`` name, each once, in that order.

    Args:
        models: what :func:`alignment.zoo.resolve` takes, several in one string with commas
            between; networks of one's own, ``package.module:Name``; saved Keras models; or
            ``.json`` files of found architectures, with ``#NAME`` for one of them. A text file
            may hold any of these.
        jobs: processes to trace in.
        strict: raise for an architecture that cannot be traced, instead of a warning.
        figures: some will be drawn: what draws them is loaded while other processes trace.
        trust_code: also build spaces that a file names by import path.
        input_shape: (C, H, W) of the images for networks of one's own and Keras models.

    Raises:
        InputError: a file of found architectures or a network of one's own that cannot be used,
            or a shape for which there is no model.
        AlignmentError: anything else that cannot.
    """
    wanted = name_models(models, trust_code=trust_code, input_shape=input_shape)
    return _trace(_told_apart(wanted), jobs=jobs, strict=strict, figures=figures)


def gather_pair(
    pair: tuple[str, str],
    *,
    jobs: int | None = None,
    trust_code: bool = False,
    input_shape: Shape | None = None,
) -> tuple[Architecture, Architecture]:
    """The two architectures that the sides of a pair name; arguments as of :func:`gather`.

    Raises:
        InputError, AlignmentError: as :func:`gather`; also for a side that names several.
    """
    for word in pair:
        if word in ("all", "keras", "timm") or not word.strip("*?, "):
            # Told at once: which they are would be known after an import of all libraries.
            raise InputError(
                f"{word!r} names many architectures, and a side of a pair is one; name one, such "
                "as resnet18"
            )
    sides = [name_models([side], trust_code=trust_code) for side in pair]
    for word, named in zip(pair, sides, strict=True):
        if len(named) > 1:
            held = [one.name for one in named]
            example = f"{word}#{held[0]}" if named[0].file else held[0]
            raise InputError(
                f"{word!r} names {len(held)} architectures ({listed(held, LISTED)}), and a side of "
                f"a pair is one; name one of them, such as {example}"
            )
    wanted = name_models(pair, trust_code=trust_code, input_shape=input_shape)
    traced = _trace(_told_apart(wanted), jobs=jobs, strict=True)
    return traced[0], traced[-1]


# ---------------------------------------------------------------- from words to what is wanted


def name_models(
    models: Sequence[str], *, trust_code: bool = False, input_shape: Shape | None = None
) -> list[Wanted]:
    """What ``models`` name, each once, in that order; nothing is traced. See :func:`gather`.

    Raises:
        InputError, AlignmentError: as :func:`gather`.
    """
    words: list[str] = []
    for word in split_choices(models):
        words += [word] if _reader(word) else lines_of(word, trust_code)
    found: dict[tuple[Path | None, str], Wanted] = {}
    for word in words:
        read = _reader(word) or _of_library
        for one in read(word, trust_code, input_shape):
            name = one.source.key if isinstance(one.source, Request) else one.name
            found.setdefault((one.file and one.file.resolve(), name), one)
    if not found:
        resolve([], list)  # says what can be named
    if input_shape is not None and not any(one.shaped for one in found.values()):
        raise InputError(
            "a shape of images is for networks of your own and Keras models, and none of the "
            "models is one; leave out --input-shape"
        )
    return list(found.values())


_Reader: TypeAlias = Callable[[str, bool, Shape | None], Iterable[Wanted]]


def _reader(word: str) -> _Reader | None:
    """What reads a word that names no model of a library."""
    name = word.partition("#")[0].lower()
    if name.endswith(".json"):
        return _in_found
    if name.endswith(SUFFIXES):
        return _in_keras_file
    return _own if is_own(word) else None


def _of_library(word: str, trust_code: bool, shape: Shape | None) -> list[Wanted]:
    from alignment.sequences import catalogue

    if word.startswith(HUBS):
        network = word.rpartition("/")[2].partition(".")[0]
        raise InputError(
            f"{word!r} is a repository of weights, of which an alignment needs none; name its "
            f"network alone, such as {network}"
        )
    return [
        Wanted(one.name, replace(one, shape=shape), shaped=True)
        if one.library == "keras"
        else Wanted(one.name, one)
        for one in resolve([word], lambda: catalogue(_folder()))
    ]


def _in_found(word: str, trust_code: bool, shape: Shape | None) -> list[Wanted]:
    text, _, chosen = word.partition("#")
    path = Path(text)
    records = choose_found(read_found(path, trust_code=trust_code), chosen, path)
    return [Wanted(one.name, partial(_of_search, one, text), path) for one in records]


def _in_keras_file(word: str, trust_code: bool, shape: Shape | None) -> list[Wanted]:
    path = Path(word)
    return [Wanted(path.stem, partial(of_keras, path, path.stem, shape), path, shaped=True)]


def _own(word: str, trust_code: bool, shape: Shape | None) -> list[Wanted]:
    try:
        name = own_architecture(word).name
    except InputError as error:
        missing = getattr(error.__cause__, "name", None)
        if isinstance(error.__cause__, ModuleNotFoundError) and missing in PACKAGES:
            raise InputError(f"{error}; pip install {PACKAGES[missing]}") from error
        raise
    return [Wanted(name, partial(_of_own, word, shape or OWN_SHAPE), shaped=True)]


def _told_apart(wanted: Sequence[Wanted]) -> list[Wanted]:
    """The same, with the names of folders in front of names that several have."""
    rivals: dict[str, list[Wanted]] = defaultdict(list)
    for one in wanted:
        rivals[one.name].append(one)
    labels: dict[int, str] = {}
    for several in rivals.values():
        files = [one for one in several if one.file is not None]
        if len(several) > 1:
            places = _different([_parts(one) for one in files])
            labels |= {
                id(one): f"{place}/{one.name}" for one, place in zip(files, places, strict=True)
            }
    return [replace(one, name=labels.get(id(one), one.name)) for one in wanted]


def _parts(one: Wanted) -> tuple[str, ...]:
    """What can be said in front of the name of an architecture that was read from a file."""
    file = (one.file or Path()).resolve()
    # The name of a Keras model is that of its file.
    return file.parent.parts if file.stem == one.name else file.with_suffix("").parts


def _different(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """For each path as few of its last different parts as tell all apart.

    >>> _different([("a", "x", "found"), ("b", "x", "found"), ("b", "y", "found")])
    ['a/x', 'b/x', 'b/y']
    """
    while len(paths) > 1 and all(paths) and len({path[-1] for path in paths}) == 1:
        paths = [path[:-1] for path in paths]
    longest = max(map(len, paths), default=0)
    labels = [""] * len(paths)
    for count in range(1, longest + 1):
        labels = ["/".join(path[-count:]) for path in paths]
        if len(set(labels)) == len(labels):
            break
    return labels


# ---------------------------------------------------------------- from what is wanted to layers


def _folder() -> Path:
    return cache_dir() / "alignment"


def _trace(
    wanted: Sequence[Wanted],
    *,
    jobs: int | None = None,
    strict: bool = False,
    figures: bool = False,
) -> list[Architecture]:
    from alignment.sequences import missing_requests, serialize
    from nasneurn.progress import meter

    # What a person brought first: of a mistake there they hear before all else is traced.
    traced: dict[int, Architecture] = {
        place: replace(one.source(), name=one.name)
        for place, one in enumerate(wanted)
        if not isinstance(one.source, Request)
    }
    places = {
        one.source: place for place, one in enumerate(wanted) if isinstance(one.source, Request)
    }
    requests = list(places)
    options: dict[str, Any] = {"jobs": jobs, "strict": strict}
    missing = missing_requests(requests, _folder())
    if missing:
        with meter("architectures", missing) as progress:
            answer = serialize(
                requests,
                _folder(),
                step=progress.advance,
                meanwhile=lambda: _get_ready(figures),
                **options,
            )
    else:
        answer = serialize(requests, _folder(), **options)
    for name, reason in answer.failures:
        print(f"nasneurn: left out: {name} {reason}", file=sys.stderr)
    by_name = {request.name: place for request, place in places.items()}
    traced |= {by_name[one.name]: one for one in answer.architectures}
    return [traced[place] for place in sorted(traced)]


#: What figures need, and what takes long to import.
DRAWING = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "matplotlib.font_manager",
    "scipy.cluster.hierarchy",
    "scipy.stats",
)


def _get_ready(figures: bool) -> None:
    """Have the kernels compiled (or read from numba's cache), and the drawing library loaded."""
    import numpy as np

    from alignment.kernels import fold_repeats
    from alignment.needleman_wunsch import score

    score([0], [0])
    fold_repeats(np.zeros(1, np.int32))
    for name in DRAWING if figures else ():
        import_module(name)


def _of_own(word: str, shape: Shape) -> Architecture:
    """A network of one's own, made here or already there; on the meta device, if it can be."""
    import torch

    named = own_architecture(word)
    maker = NETWORKS.maker(named.model)
    try:
        if isinstance(maker, torch.nn.Module):
            return of_module(maker, named.name, shape)
        return _made(lambda: create_own(named.own, OWN_CLASSES, max(shape[1:])), named.name, shape)
    except Exception as error:  # whatever code of one's own raises
        raise InputError(_told(named.name, error)) from error


def _made(make: "Callable[[], nn.Module]", name: str, shape: Shape) -> Architecture:
    import torch

    try:
        with torch.device("meta"):
            network = make()
        return of_module(network, name, shape)
    except Exception as error:
        if "meta" not in str(error) and "item()" not in str(error):
            raise
    return of_module(make(), name, shape)  # it needs values


def of_module(network: "nn.Module", name: str, shape: Shape) -> Architecture:
    """A module, or a Keras model that knows its sizes, as layers; warnings become lines.

    Raises:
        TraceError: it cannot be traced.
    """
    from alignment.sequences import serialize_model

    keras = sys.modules.get("keras")
    if keras is not None and isinstance(network, keras.Model):
        return of_keras(network, name, None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        architecture = serialize_model(network, name, family="own", image_shape=shape)
    for text in dict.fromkeys(str(one.message) for one in told if one.category is UserWarning):
        print(f"nasneurn: {name}: {one_line(text, None)}", file=sys.stderr)
    return architecture


def of_keras(model: Any, name: str, shape: Shape | None) -> Architecture:
    """A Keras model or a file of one as layers, of images (C, H, W) where it leaves that open.

    Raises:
        AlignmentError: it cannot be read.
    """
    from alignment.keras_graphs import keras_architecture

    channels_last = None if shape is None else (*shape[1:], shape[0])
    return keras_architecture(model, name, input_shape=channels_last)


def _of_search(found: FoundArchitecture, path: str) -> Architecture:
    """A found architecture without its stem: the same network stands behind one or not."""
    import torch

    from alignment.sequences import serialize_model

    size = found.space_choice.image_size
    try:
        with torch.device("meta"):
            network = found.space_choice.network(found.choices)
        return serialize_model(network, found.name, family="found", image_shape=(3, size, size))
    except (KeyError, TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise InputError(f"{path}: {_told(found.name, error)}") from error


def _told(name: str, error: Exception) -> str:
    """One line on what cannot be traced; most errors name it."""
    reason = one_line(error, None)
    return reason if name in reason else f"{name} cannot be traced: {reason}"
