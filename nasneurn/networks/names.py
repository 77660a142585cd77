"""From the words of a person to architectures."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

from alignment.designs import DESIGNS
from alignment.errors import AlignmentError
from alignment.zoo import KERAS, LIBRARIES, MAPS, PUBLISHED, Request, read_names, resolve
from nasneurn.choices import Choice, refuse_code, split_choices, suggestion
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.found import choose_found, read_found
from nasneurn.networks.own import NETWORKS, registered_with_timm
from nasneurn.networks.weights import HUBS
from nasneurn.paths import cache_dir

#: How many architectures stand for the published ones that give classes.
REPRESENTATIVES = 10


def resolve_architectures(
    words: Sequence[str], *, trust_code: bool = False
) -> tuple[Architecture, ...]:
    """The architectures that ``words`` name, each once, in that order.

    Args:
        words: each is a network of this package or one that was registered, with its options;
            ``package.module:Name``; what :func:`alignment.zoo.resolve` takes (names of the zoo,
            timm and torchvision, globs, a text file); ``representatives`` of the zoo's alignment;
            or the path of an ``architecture.json``, after it ``#NAME``, ``#best`` or
            ``#best:SOURCE``. Commas part several in one string.
        trust_code: also build spaces that a file names by import path.

    Raises:
        InputError: an unknown name (the nearest are suggested), or a file that cannot be used.
    """
    return tuple(resolve_with_tags(words, trust_code=trust_code))


def resolve_with_tags(
    words: Sequence[str], *, trust_code: bool = False
) -> dict[Architecture, tuple[str, ...]]:
    """What :func:`resolve_architectures` gives, each with the tags of its weights in ``words``.

    The tag of weights stands in a name after a dot, as in ``resnet18.a1_in1k``; of a repository of
    the hub it is the whole word. Where none is named it is empty.

    Raises:
        InputError: as :func:`resolve_architectures`.
    """
    found: dict[str, Architecture] = {}
    tags: dict[str, dict[str, None]] = {}
    for word in (line for one in split_choices(words) for line in lines_of(one, trust_code)):
        for architecture, tag in _named(word, trust_code):
            # One network may have two names: resnetv2_50 of timm is resnet50v2 of the zoo.
            content = architecture.model_dump_json(exclude={"name"})
            found.setdefault(content, architecture)
            tags.setdefault(content, {})[tag] = None
    if not found:
        raise InputError("no models; name some, such as resnet18, or say representatives")
    names: set[str] = set()
    for name in (architecture.name for architecture in found.values()):
        if name in names:
            raise InputError(
                f"{name} names two architectures; take one of them, such as "
                f"architecture.json#{name.partition('/')[2] or name}"
            )
        names.add(name)
    return {architecture: tuple(tags[content]) for content, architecture in found.items()}


def names_like(pattern: str) -> list[str]:
    """The names that match a pattern, and name one network each that can be trained.

    Registered ones come first, then those of the tables, of timm, and of torchvision with
    ``torchvision:`` in front, which the pattern may have or not.
    """
    import timm
    from torchvision import models

    tables = [row.name for row in (*PUBLISHED, *KERAS) if row.family != MAPS]
    known = dict.fromkeys([*NETWORKS, *tables, *map(str, timm.list_models())])
    found = [name for name in known if fnmatchcase(name, pattern)]
    for name in models.list_models(module=models):
        whole = f"torchvision:{name}"
        if fnmatchcase(name, pattern) or fnmatchcase(whole, pattern):
            found.append(whole)
    return found


def lines_of(word: str, trust_code: bool) -> list[str]:
    """A word, or the lines of the text file that it names.

    Raises:
        InputError: the file cannot be read, or names code that is not of this package without
            ``trust_code``.
    """
    if word.partition("#")[0].endswith(".json") or is_own(word):
        return [word]
    try:
        lines = read_names([word])
    except AlignmentError as error:
        raise InputError(str(error)) from None
    if lines != [word.strip()]:
        named = (Choice.parse(line).name for line in lines if is_own(line))
        refuse_code(word, [name for name in named if ":" in name], trust_code)
    return lines


def _named(word: str, trust_code: bool) -> list[tuple[Architecture, str]]:
    if word == "representatives":
        return [one for name in _representatives() for one in _named(name, trust_code)]
    path, _, wanted = word.partition("#")
    if path.endswith(".json"):
        records = read_found(Path(path), trust_code=trust_code)
        chosen = choose_found(records, wanted, Path(path))
        return [(Architecture(name=one.name, library="found", found=one), "") for one in chosen]
    if word.startswith(HUBS):
        from nasneurn.networks.pretrained import hub_architecture

        return [(hub_architecture(word), word)]
    if (maker := registered_with_timm(word)) is not None:
        return [(own_architecture(maker).model_copy(update={"name": word}), "")]
    if is_own(word):
        return [(own_architecture(word), "")]
    try:
        requests = resolve([word], _catalogue)
    except AlignmentError as error:
        raise InputError(str(error)) from None
    if len(requests) > 1:
        # A set or a glob means those that can classify; a map is asked for by its own name alone.
        requests = [request for request in requests if request.family != MAPS]
    return [(_of_library(one), tag) for one in requests for tag in _tags(word, one)]


def _tags(word: str, request: Request) -> list[str]:
    """The tags of weights that a word names for an architecture."""
    if ":" in request.name:
        return [request.model.partition(".")[2]]
    model, _, tag = word.partition(".")
    return [tag if model == request.name else ""]


def is_own(word: str) -> bool:
    """Whether a word names a network of this package or the user's own, not of a library."""
    name = Choice.parse(word).name if "=" in word else word
    module, colon, _ = name.partition(":")
    libraries = (*LIBRARIES, *(hub.rstrip(":") for hub in HUBS))
    return name in NETWORKS or bool(colon and module not in libraries)


def own_architecture(word: str) -> Architecture:
    """The architecture that a registered name or an import path names, with its options.

    Raises:
        InputError: there is none.
    """
    chosen = NETWORKS.choose(word)
    return Architecture(name=str(chosen), library="own", model=chosen.name, options=chosen.options)


def _catalogue() -> list[str]:
    from alignment.sequences import catalogue

    return catalogue(cache_dir() / "alignment")


def _of_library(request: Request) -> Architecture:
    name, model = request.name, request.model
    if request.family == MAPS:
        raise InputError(
            f"{request.name} gives a map, no classes, and cannot be trained as a classifier"
        )
    if request.library == "keras":
        raise InputError(
            f"{request.name} is a Keras model, which can be aligned but not trained here; timm has "
            "most of these designs"
        )
    # What bears its library's name was taken at its word so far.
    if request.name == f"{request.library}:{model}":
        if request.library == "timm":
            known, model = _catalogue(), model.split(".")[0]  # after the dot, weights
        elif request.library == "design":
            known = list(DESIGNS)
        else:
            from torchvision import models

            known, model = models.list_models(module=models), model.split(".")[0]
            name = f"{request.library}:{model}"
        if model not in known:
            raise InputError(
                f"{request.library} has no image classifier {model!r}{suggestion(model, known)}"
            )
    fields: dict[str, Any] = {"library": request.library, "model": model}
    one = Architecture(name=name, **fields)
    return one.model_copy(update={"version": version(one.package)})


def _representatives() -> list[str]:
    """Those of the zoo's alignment; each architecture is traced once, and kept in the cache."""
    from alignment.options import PRESETS
    from alignment.run import compute
    from nasneurn.networks.traced import gather

    options = replace(PRESETS["recommended"], representatives=REPRESENTATIVES)
    classifiers = [one for one in gather(["all"]) if one.family != MAPS]
    outcome = compute(classifiers, options, with_variants=False)
    return list(outcome.representative_names)
