"""The options of an alignment from a preset, the models, and what was asked for besides."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypedDict

from alignment.errors import check_known
from alignment.needleman_wunsch import Scoring
from alignment.options import PRESETS, Options

#: The models that the paper's figure shows, as a person names them.
PUBLISHED_SET = ["all"]


class Changes(TypedDict, total=False):
    """What of a preset can be changed: fields of Options and of Scoring; None leaves one."""

    scheme: str | None
    match: int | None
    mismatch: int | None
    gap: int | None
    gap_extend: int | None
    borders: str | None
    partial: int | None
    normalization: str | None
    similarity: str | None
    branches: str | None
    representatives: int | None
    max_params: int | None
    max_flops: int | None
    clustering: str | None
    prefer: str | None
    within: float | None
    threads: int | None


_SCORES = frozenset(field.name for field in fields(Scoring))
_OPTIONS = [field.name for field in fields(Options) if field.name != "scoring"]


def default_preset(models: Sequence[str]) -> str:
    """What is computed of models where nothing is said: of the published 44 the paper's figure.

    >>> default_preset(["all"]), default_preset(["all", "vgg13"])
    ('paper', 'recommended')
    """
    return "paper" if list(models) == PUBLISHED_SET else "recommended"


def preset_options(preset: str, changes: Mapping[str, Any]) -> Options:
    """A preset with some options changed.

    Args:
        preset: of :data:`alignment.options.PRESETS`.
        changes: fields of :class:`alignment.options.Options` and of
            :class:`alignment.needleman_wunsch.Scoring` by name; None leaves one as it is. A
            ``gap`` without ``gap_extend`` is that of each token.

    Raises:
        AlignmentError: no such preset, no such option, or a score that cannot be used.

    >>> preset_options("paper", {"gap": -1, "scheme": None}).scoring.gap
    -1
    """
    check_known("preset", preset, PRESETS)
    for name in changes:
        check_known("option", name, [*_OPTIONS, *sorted(_SCORES)])
    given = {name: value for name, value in changes.items() if value is not None}
    scores = {name: given.pop(name) for name in _SCORES & given.keys()}
    if "gap" in scores:
        scores.setdefault("gap_extend", None)
    chosen = PRESETS[preset]
    return replace(chosen, scoring=replace(chosen.scoring, **scores), **given)


def nearest_preset(options: Mapping[str, Any], usual: str) -> tuple[str, dict[str, Any]]:
    """The preset that takes the fewest changes to be some options, and these changes.

    Args:
        options: as :meth:`alignment.options.Options.plain` gives them.
        usual: the preset that is taken where several do.

    Raises:
        AlignmentError: an unknown option.

    >>> nearest_preset({**PRESETS["paper"].plain(), "gap": -1}, "recommended")
    ('paper', {'gap': -1})
    """
    found = {}
    for preset in sorted(PRESETS, key=lambda name: name != usual):
        plain = PRESETS[preset].plain()
        for name in options:
            check_known("option", name, plain)
        changes = {name: value for name, value in options.items() if value != plain[name]}
        if {"gap", "gap_extend"} & changes.keys():  # a gap by itself is linear
            changes |= {name: options.get(name) for name in ("gap", "gap_extend")}
        found[preset] = {name: value for name, value in changes.items() if value is not None}
    return min(found.items(), key=lambda one: len(one[1]))
