"""Found architectures: what a search leaves behind, written and read in this one place."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nasneurn.choices import Choice, refuse_code
from nasneurn.configuration import Settings, first_fault
from nasneurn.errors import InputError, one_line
from nasneurn.files import read_text, written_atomically
from nasneurn.networks.spaces import SpaceChoice, list_spaces
from nasneurn.plain_values import Name, Options, Seed, Size


def choices_name(choices: Mapping[str, Any]) -> str:
    """An architecture's choices in one word, in the order of the labels: ``k3-xcep-k5``."""
    return "-".join(str(value) for value in choices.values())


def where_found(source: str, searched_stem: str, seed: int) -> str:
    """Where a search found something, in the words of figures and of all that is printed.

    >>> where_found("mnist", "neurn", 0), where_found("mnist", "search", 1)
    ('found on mnist, stem neurn, seed 0', 'found on mnist, stem searched too, seed 1')
    """
    stem = "stem searched too" if searched_stem == "search" else f"stem {searched_stem}"
    return f"found on {source}, {stem}, seed {seed}"


class FoundArchitecture(Settings):
    """An architecture that a search found, and where it comes from.

    Attributes:
        name: ``spos/mnist-neurn-0``: the space, the source, the stem of the search, the seed.
        space: a name, or an import path.
        settings: the arguments of the space's constructor, without its stem.
        choices: the value of every choice of the space, by label, without the stem's.
        stem: what stands in front of it; where the stem was searched, the one that was found.
        searched_stem: the stem that the search was given: ``search`` where it was searched.
        suite, source, seed: what it was searched on.
        selected_under: what its score was measured under: ``clean`` or ``shifts``.
        held_out_accuracy: its score on held-out source images, as a path of the supernet.
        flops: multiply-adds for one image.
        params: its weights.
        supernet: the hash that names its supernet.
    """

    name: Name
    space: Name
    settings: Options
    choices: Options
    stem: Choice = Choice(name="none")
    searched_stem: str = "none"
    suite: str = ""
    source: str = ""
    seed: Seed = 0
    selected_under: str = "clean"
    held_out_accuracy: float | None = None
    flops: Size = 0
    params: Size = 0
    supernet: str = ""

    @property
    def space_choice(self) -> SpaceChoice:
        """The space that it is of."""
        return SpaceChoice(space=self.space, settings=self.settings)

    @property
    def code(self) -> list[str]:
        """The import paths of its space and stem, where these are not of this package."""
        return [name for name in (self.space, self.stem.name) if ":" in name]

    @property
    def words(self) -> str:
        """What people read in place of the name; the name where no search is known."""
        if not self.source:
            return self.name
        return f"{self.space}, {where_found(self.source, self.searched_stem, self.seed)}"


def write_found(path: Path, found: Sequence[FoundArchitecture]) -> None:
    """Write found architectures as JSON."""
    with written_atomically(path) as draft:
        records = [one.model_dump(mode="json") for one in found]
        draft.write_text(json.dumps(records, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_found(path: Path, *, trust_code: bool = False) -> list[FoundArchitecture]:
    """Read what :func:`write_found` wrote.

    Args:
        path: an ``architecture.json``.
        trust_code: also accept spaces and stems by import path: making such a one runs its module.

    Raises:
        InputError: the file cannot be read, holds something else, or names code that is not of
            this package without ``trust_code``.
    """
    try:
        records = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        reason = one_line(error)
        raise InputError(f"{path}: cannot be read as found architectures ({reason})") from None
    if isinstance(records, dict):
        records = [records]
    if not isinstance(records, list) or not records:
        raise InputError(f"{path}: holds no list of found architectures")
    found = []
    for index, record in enumerate(records):
        try:
            one = FoundArchitecture.model_validate(record)
        except ValidationError as error:
            raise InputError(
                f"{path}: record {index} is no found architecture: {first_fault(error)}"
            ) from None
        found.append(one)
    known = list_spaces()
    foreign = [one.space for one in found if one.space not in known]
    foreign += [name for one in found for name in one.code]
    refuse_code(path, list(dict.fromkeys(foreign)), trust_code)
    return found


def choose_found(
    found: Sequence[FoundArchitecture], wanted: str, path: Path
) -> list[FoundArchitecture]:
    """Those that ``wanted`` names: all where it is empty, ``best`` or ``best:SOURCE``, or a name.

    The best is chosen by held-out accuracy within one search and one source, since accuracies on
    the held-out images of two sources say nothing about each other.

    Raises:
        InputError: nothing is named so, or "best" would compare sources.
    """
    if not wanted:
        return list(found)
    word, _, source = wanted.partition(":")
    if word == "best":
        rivals = [one for one in found if not source or one.source == source]
        if not rivals:
            raise InputError(f"{path} holds nothing found on the source {source!r}")
        kinds = {(one.suite, one.source, one.selected_under) for one in rivals}
        if len(kinds) > 1:
            names = ", ".join(dict.fromkeys(one.source for one in rivals))
            raise InputError(
                f"{path} holds architectures of several sources ({names}), whose held-out "
                f"accuracies cannot be compared; say {path}#best:SOURCE"
            )
        return [max(rivals, key=lambda one: one.held_out_accuracy or 0.0)]
    chosen = [one for one in found if wanted in (one.name, one.name.partition("/")[2])]
    if not chosen:
        held = ", ".join(one.name for one in found)
        raise InputError(f"{path} holds no architecture {wanted!r}; it holds {held}")
    return chosen
