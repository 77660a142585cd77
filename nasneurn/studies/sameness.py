"""Whether what is to be run is the study that a folder holds, on the images that it began with."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import cast

from nasneurn.domains import Part, Suite
from nasneurn.errors import InputError, listed
from nasneurn.studies.config import UNKNOWN, StudyConfig
from nasneurn.studies.store import Outcomes

#: What follows a refusal for the sake of images.
REMEDY = (
    "bring these back, or choose another --out; what is finished stays, and `nasneurn figures` "
    "shows it"
)


#: How many images that have changed are named.
NAMED = 3


def refuse_another(
    folder: Path, before: StudyConfig, ours: StudyConfig, suite: Suite, hint: str = ""
) -> None:
    """Refuse a study that differs from that of its folder; of changed images the domains are named.

    Args:
        folder: where the study is.
        before: the study that it holds.
        ours: the study that is to be run there.
        suite: the domains that there are now.
        hint: the end of the message where it is not about images.

    Raises:
        InputError: they differ.
    """
    if before == ours:
        return
    if before.suite == ours.suite:
        refuse_gone(folder, before, suite.domains)
        refuse_changed(folder, before.content, ours.content, suite)
    differences = before.differences(ours)
    told = [one for one in differences if not one.startswith("content.")] or differences
    told = ["the grids that were added" if one.startswith("further: ") else one for one in told]
    raise InputError(
        f"{folder} holds another study ({'; '.join(told)}); choose another --out{hint}"
    )


def refuse_gone(folder: Path, before: StudyConfig, domains: Collection[str]) -> None:
    """Refuse to go on without a domain that a study learns from or tests on.

    Raises:
        InputError: one is not there.
    """
    gone = _once(_domain(part) for part in before.content if _domain(part) not in domains)
    if gone:
        raise InputError(f"{folder} is of domains that are gone: {', '.join(gone)}; {REMEDY}")


def refuse_changed(
    folder: Path, before: Mapping[str, str], now: Mapping[str, str], suite: Suite
) -> None:
    """Refuse images that are not those of a study.

    Args:
        folder: where the study is.
        before: the digests of its parts, by ``part:domain``.
        now: those of what there is; parts of which it is not known do not count.
        suite: the domains that there are now.

    Raises:
        InputError: with each domain that has changed, its digests, and some of the images, where
            it is known which.
    """
    changed = {
        part: f"{part} {digest} -> {now[part]}"
        for part, digest in before.items()
        if part in now and now[part] != digest and UNKNOWN not in (digest, now[part])
    }
    if changed:
        domains = ", ".join(_once(map(_domain, changed)))
        files = _once(
            path
            for name in changed
            for path in suite.changed_files(_domain(name), _part(name), before[name])
        )
        told = filter(None, [listed(files, NAMED), ", ".join(changed.values())])
        raise InputError(
            f"the images of {domains} are not those of the study in {folder} "
            f"({'; '.join(told)}); {REMEDY}"
        )


def check_images_of(folder: Path, config: StudyConfig, suite: Suite) -> None:
    """Refuse images that are not those of a configuration, as of a file from elsewhere.

    Raises:
        InputError: with each domain that is gone or has changed.
    """
    refuse_gone(folder, config, suite.domains)
    known = [part for part, digest in config.content.items() if digest != UNKNOWN]
    refuse_changed(folder, config.content, digests_now(known, suite), suite)


def digests_now(parts: Iterable[str], suite: Suite) -> dict[str, str]:
    """The digests of parts named ``part:domain``, of the images that there are now."""
    return {name: suite.digest(_domain(name), _part(name)) for name in parts}


def refuse_orphans(folder: Path, config: StudyConfig, outcomes: Outcomes) -> None:
    """Refuse to begin a study in a folder that holds results of one without its configuration.

    Raises:
        InputError: units are finished there that this study does not have.
    """
    ours = {unit.identity for unit in config.units(outcomes)}
    others = len(outcomes.done.keys() - ours)
    if others:
        raise InputError(
            f"{folder} has no config.yaml, and its store {others} finished units of another "
            "study or of other images; bring the file back, or choose another --out"
        )


def _part(part: str) -> Part:
    return cast(Part, part.partition(":")[0])


def _domain(part: str) -> str:
    return part.partition(":")[2]


def _once(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
