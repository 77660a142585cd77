"""The 44 architectures of the paper, and how a name becomes an architecture.

The paper (arXiv 2505.06881) aligns 44 architectures and does not list them; the figure on its
authors' project page does. The names of 26 are those of Keras Applications, of 18 those of models
on PyTorch Hub. :data:`PUBLISHED` is that list, in the figure's order. :data:`KERAS` is the set that
this project aligned before the figure was known: the models of Keras Applications at the time of
the paper, and four vision transformers.
"""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

from alignment.errors import AlignmentError, did_you_mean


@dataclass(frozen=True, slots=True)
class Known:
    """One row of the tables.

    Attributes:
        name: how outputs call it; in :data:`PUBLISHED` the label in the figure.
        family: its colour in figures.
        origin: where it came from: Keras Applications or PyTorch Hub, and its name there.
        builder: what builds it here, ``timm:``, ``torchvision:`` or ``design:`` and a name; the
            last are of :mod:`alignment.designs`.
        exact: whether what is built is that network; else a stand-in, and the note says why.
        size: side of its images.
        note: where it differs, or what is assumed.
    """

    name: str
    family: str
    origin: str
    builder: str
    exact: bool
    size: int
    note: str = ""

    @property
    def keras(self) -> str | None:
        """Its name in Keras Applications, if it comes from there."""
        library, _, name = self.origin.partition(":")
        return name if library == "keras" else None


def _table(file: str) -> tuple[Known, ...]:
    text = files("alignment").joinpath("data", file).read_text(encoding="utf-8")
    return tuple(
        Known(name, family, origin, builder, exact == "yes", int(size), note)
        for name, family, origin, builder, exact, size, note in [*csv.reader(text.splitlines())][1:]
    )


#: The 44 of the authors' figure, in its order.
PUBLISHED = _table("published.csv")
#: The models of Keras Applications in the year of the paper, and four vision transformers: 44, too.
KERAS = _table("keras.csv")


@dataclass(frozen=True, slots=True)
class Request:
    """An architecture that was asked for.

    Attributes:
        name: how outputs call it.
        library: "timm", "torchvision", "design" (of :mod:`alignment.designs`) or "keras".
        model: its name there.
        size: side of the image; None is the library's own choice.
        family: None is the module of the library that defines it.
        classes: outputs of the classifier; None is the library's own choice, which for weights
            without a classifier is to have none.
        keras: the Keras Application whose listing it has; None is the listing of what is built.
        shape: of "keras": (C, H, W) of the image; None is the library's own choice.
    """

    name: str
    library: str
    model: str
    size: int | None = None
    family: str | None = None
    classes: int | None = None
    keras: str | None = None
    shape: tuple[int, int, int] | None = None

    @property
    def key(self) -> str:
        """The name as it counts: Keras takes small letters and capitals alike."""
        return self.name.lower() if self.library == "keras" else self.name


#: Libraries whose names may be given with the library in front: ``torchvision:vgg11``.
LIBRARIES = ("timm", "torchvision", "design", "keras")

#: The family of networks that give a value for each pixel, and no classes.
MAPS = "dense prediction"

#: Every architecture of the tables has the classifier of ImageNet.
CLASSES = 1000


def _of_table(known: Known) -> Request:
    library, _, model = known.builder.partition(":")
    return Request(known.name, library, model, known.size, known.family, CLASSES, known.keras)


#: Sets of architectures by name.
SETS = {"all": PUBLISHED, "keras": KERAS}

#: The rows by their names. Of two with one name that of the figure counts.
_EXACT = {row.name: row for row in (*PUBLISHED, *(r for r in KERAS if r not in PUBLISHED))}


def _aliases(*libraries: str) -> dict[str, Known]:
    """The rows by what they are called in some libraries, in small letters."""
    found: dict[str, Known] = {}
    for row in (*PUBLISHED, *KERAS):
        for source in (row.origin, row.builder):
            library, _, alias = source.partition(":")
            if library in libraries:
                found.setdefault(alias.lower(), row)
    return found


#: What a row may be called too. Its name in small letters comes last: that of a network of PyTorch
#: Hub is then what timm calls another one, inception_v3.
_LOWER = {
    **{row.name.lower(): row for row in reversed(_EXACT.values())},
    **_aliases("keras", "timm", "design"),
}
#: timm has other networks of some of these names, which come first.
_LAST = _aliases("torchvision")


def resolve(models: Iterable[str], catalogue: Callable[[], Sequence[str]]) -> list[Request]:
    """The architectures that ``models`` name, each once, in that order.

    Args:
        models: each is ``all`` (the published 44), ``keras`` (the other set), ``timm`` (the whole
            catalogue), a name of a table (also that of Keras), of timm, ``torchvision:NAME``,
            ``design:NAME`` or ``keras:NAME``, a glob over the names of timm and the tables, or a
            text file with one of these on each line.
        catalogue: gives the names that timm knows, as ``timm.list_models``; called only if they
            are needed.

    Raises:
        AlignmentError: a name is unknown (the nearest are suggested), a glob matches nothing, or
            a file cannot be read.

    >>> import timm
    >>> [request.model for request in resolve(["VGG16", "resnet50v2"], timm.list_models)]
    ['vgg16', 'resnetv2_50']
    """
    found: dict[str, Request] = {}
    rows: set[tuple[object, ...]] = set()
    named_by_timm: set[tuple[object, ...]] = set()
    for model in read_names(models):
        for request in _one(model, catalogue):
            network = (request.library, request.model, request.size, request.classes)
            by_timm = request.size is not None and request.name == request.model
            # Each once, whatever it is called: resnetv2_50 of timm is resnet50v2 of the tables.
            if network not in (rows if by_timm else named_by_timm):
                found.setdefault(request.key, request)
            rows.add(network)
            if by_timm:
                named_by_timm.add(network)
    if not found:
        raise AlignmentError("no models; name some, or say all")
    return list(found.values())


def read_names(models: Iterable[str]) -> list[str]:
    """``models``, with the lines of text files in the place of their paths.

    In a text file, what follows a # is a comment.

    Raises:
        AlignmentError: a file cannot be read, or a name is none.
    """
    names: list[str] = []
    for model in models:
        path = Path(model)
        if path.suffix != ".txt" and not (path.parent != Path() and path.is_file()):
            names.append(model.strip())
            continue
        try:
            if path.exists() and not path.is_file():  # a named pipe would let it wait for ever
                raise OSError("not a file")
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise AlignmentError(f"{path}: cannot be read as a list of models ({error})") from error
        names += [name for line in lines if (name := _COMMENT.split(line)[0].strip())]
    for name in names:
        if len(name) > LONGEST:
            raise AlignmentError(f"{name[:60]!r}... has {len(name)} letters, and names no model")
    return names


#: Letters of the longest word that may name models, with a path or options.
LONGEST = 1000

#: A # that begins a comment, not one that stands between a file of architectures and a name in it.
_COMMENT = re.compile(r"(?<!\.json)#")


def _one(model: str, catalogue: Callable[[], Sequence[str]]) -> list[Request]:
    if model in SETS:
        return [_of_table(known) for known in SETS[model]]
    if model == "timm":
        return [Request(name, "timm", name) for name in catalogue()]
    library, _, rest = model.partition(":")
    if rest and library in LIBRARIES:
        return [Request(model, library, rest)]
    if any(letter in model for letter in "*?["):
        return _matching(model, catalogue())
    if (known := _EXACT.get(model) or _LOWER.get(model.lower())) is not None:
        # Who uses timm's own name of it finds it under that name.
        row = _of_table(known)
        by_timm = row.library == "timm" and row.model == model
        return [replace(row, name=model) if by_timm else row]
    names = catalogue()
    # timm's names may carry the weights after a dot; the architecture is the same.
    if (plain := model.split(".")[0]) in names:
        return [Request(plain, "timm", plain)]
    if (known := _LAST.get(model.lower())) is not None:
        return [_of_table(known)]
    near = did_you_mean(model.lower(), [*_EXACT, *names], 3)
    hint = near or (
        "see all, keras, timm, a glob: 'res*', or package.module:Name for a network of your own"
    )
    raise AlignmentError(f"unknown model {model!r}: {hint}")


def _matching(pattern: str, names: Sequence[str]) -> list[Request]:
    tables = [known for name, known in _EXACT.items() if fnmatchcase(name, pattern)]
    known = {row.name for row in tables}
    others = [name for name in names if fnmatchcase(name, pattern) and name not in known]
    if not tables and not others:
        raise AlignmentError(f"no model matches {pattern!r}")
    return [*map(_of_table, tables), *(Request(name, "timm", name) for name in others)]
