"""Which stems a search runs with, and among which it may choose."""

from collections.abc import Sequence

from nasneurn.choices import Choice, split_choices
from nasneurn.errors import InputError
from nasneurn.stems import STEMS
from nasneurn.studies.training_unit import SEARCHED

#: The stems among which a search chooses that looks for the stem too.
STEM_CANDIDATES = tuple(
    map(
        STEMS.choose,
        (
            "none",
            "neurn",
            "neurn:k=5",
            "neurn:k=7",
            "neurn:k=9",
            "instance_norm",
            "local_contrast_norm",
        ),
    )
)


def candidates_of(stem: Choice) -> tuple[Choice, ...]:
    """The stems that a supernet holds: one, or those that are searched among."""
    return STEM_CANDIDATES if stem == SEARCHED else (stem,)


def parse_search_stems(words: Sequence[str]) -> tuple[Choice, ...]:
    """Stems as :meth:`nasneurn.choices.Registry.choose_all` reads them, and ``search``.

    Raises:
        InputError: there is none, or one cannot be chosen.
    """
    texts = split_choices(words)
    chosen = tuple(
        dict.fromkeys(SEARCHED if text == SEARCHED.name else STEMS.choose(text) for text in texts)
    )
    if not chosen:
        raise InputError(f"no stems; name one or more of {', '.join(STEMS)}, or search")
    return chosen


def short_forms(*, neurn: bool | None, compare: bool, stems: Sequence[str]) -> list[str]:
    """The stems that ``--neurn``, ``--no-neurn`` and ``--compare`` stand for.

    Raises:
        InputError: they are given beside ``--stems``, or say two things.
    """
    if stems:
        if neurn is not None or compare:
            raise InputError(
                "--neurn, --no-neurn and --compare are short for --stems; say one of them"
            )
        return list(stems)
    if neurn is False and compare:
        raise InputError("--no-neurn means no stem: it cannot go with --compare")
    if compare:
        return ["none", "neurn"]
    return ["none"] if neurn is False else ["neurn"]
