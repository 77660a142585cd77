"""All that decides the rows of a study, whatever its kind, and from options to that."""

from collections.abc import Collection, Mapping, Sequence
from os.path import realpath
from pathlib import Path
from typing import Any, ClassVar, Self

from nasneurn.algorithms import ALGORITHMS
from nasneurn.choices import Choice, check_known, split_list
from nasneurn.configuration import Configuration
from nasneurn.domains import Part, Suite, load_suite
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.plain_values import ImageSize, Name, Seed, Some
from nasneurn.rows import JOINT, sources
from nasneurn.studies.parts import LEAVE_ONE_OUT, left_out, parts_used, selecting_targets
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Row, Unit
from nasneurn.training.devices import Precision, choose_precision
from nasneurn.training.protocol import Protocol, protocol_named

#: In place of a digest that only reading the images would tell.
UNKNOWN = "unknown"


class StudyConfig(Configuration):
    """What all kinds of studies have in common.

    Attributes:
        kind: what the study is.
        suite: "builtin", "digits" or a folder.
        image_size: side of the images.
        splits: the split file of a folder.
        content: digests of the parts of the domains that are used, by ``part:domain``.
        stems, algorithms, sources, seeds: axes; a source may be several domains, joined by "+".
        targets: the domains that every training is measured on.
        budget: the name of the protocol that ``protocol`` started from.
        protocol: how each network is trained and selected.
        precision: the arithmetic of the trainings.
        adaptation: how networks of libraries are made to take the images.
    """

    #: The fields that a study may be extended along: no training depends on which others there are.
    AXES: ClassVar[tuple[str, ...]] = ("stems", "algorithms", "sources", "seeds")

    kind: str
    suite: Name
    image_size: ImageSize
    splits: str | None = None
    content: dict[str, str]
    stems: Some[Choice]
    algorithms: Some[Choice] = (Choice(name="erm"),)
    sources: Some[Name]
    targets: Some[Name]
    seeds: Some[Seed]
    budget: Name
    protocol: Protocol
    precision: Precision = "32"
    adaptation: Adapting = "fit"

    def units(self, outcomes: Outcomes) -> list[Unit]:
        """All units that are known to belong to the study, given what is done; in table order."""
        raise NotImplementedError

    def derived(self, outcomes: Outcomes) -> dict[str, list[Row]]:
        """Tables that are made from those of several units, by name."""
        return {}

    def check(self, suite: Suite, left: Sequence[Unit]) -> None:
        """Refuse what cannot run, before the first training.

        Args:
            suite: the domains.
            left: the units that are to be done; networks and weights that only others need are
                not asked for.

        Raises:
            InputError: the first thing that cannot.
        """
        raise NotImplementedError

    @property
    def named(self) -> list[str]:
        """Names of all that a person may write themselves: stems, algorithms, and so on."""
        return [choice.name for choice in (*self.stems, *self.algorithms)]

    @property
    def code(self) -> list[str]:
        """Import paths of code that is not of this package, which running the study imports."""
        return list(dict.fromkeys(name for name in self.named if ":" in name))

    @property
    def trusting(self) -> str:
        """What a command that is printed ends in, so that it may import such code."""
        return " --trust-code" if self.code else ""

    @property
    def suite_name(self) -> str:
        """The suite's name; of a folder, that of the folder."""
        name = Path(self.suite).name
        return name if name not in ("", "..") else Path(self.suite).resolve().name

    def added_to(self, before: Self) -> Self:
        """Both studies as one: the axes of ``before``, each with what this study adds to it."""
        grown = {
            axis: (*old, *(value for value in getattr(self, axis) if value not in old))
            for axis in self.AXES
            for old in [getattr(before, axis)]
        }
        return self.model_copy(update={**grown, "content": {**self.content, **before.content}})

    def worded_as(self, before: Self) -> Self:
        """This study as another says the same: values in its order, folders by its paths."""
        ordered = (*self.AXES, "targets")
        pairs = {axis: (getattr(self, axis), getattr(before, axis)) for axis in ordered}
        words = {
            axis: theirs
            for axis, (ours, theirs) in pairs.items()
            if len(ours) == len(theirs) and all(one in ours for one in theirs)
        }
        for path in ("suite", "splits"):
            ours, theirs = getattr(self, path), getattr(before, path)
            if ours and theirs and realpath(ours) == realpath(theirs):
                words[path] = theirs
        return self.model_copy(update=words)

    def on_axes_of(self, before: Self) -> Self:
        """This study with the axes of another, to see whether they differ in anything else."""
        ours = {part: self.content.get(part, digest) for part, digest in before.content.items()}
        axes = {axis: getattr(before, axis) for axis in self.AXES}
        return self.model_copy(update={**axes, "content": ours})

    def open_suite(self, data_dir: Path | None) -> Suite:
        """The domains that there are now.

        Args:
            data_dir: the folder of the files of ``digits``.
        """
        splits = Path(self.splits) if self.splits else None
        return load_suite(self.suite, data_dir=data_dir, size=self.image_size, splits=splits)

    def part_of(self, target: str, learned: Collection[str]) -> Part:
        """The part of a target that a training on the domains ``learned`` is tested on."""
        apart = f"all:{target}" in self.content and target not in learned
        return "all" if apart else "test"

    def content_of(self, learned: Sequence[str], tested: Mapping[str, str]) -> dict[str, str]:
        """The digests that a training depends on.

        Args:
            learned: the domains that it learns from.
            tested: the part of each target that it is measured on.

        Raises:
            InputError: there is none of one, as in a file that was edited.
        """
        selecting = selecting_targets(tuple(tested), self.protocol)
        parts = [f"train:{domain}" for domain in dict.fromkeys((*learned, *selecting))]
        parts += [f"{part}:{target}" for target, part in tested.items()]
        for part in parts:
            if part not in self.content:
                raise InputError(f"the configuration has no digest of {part!r} among its content")
        return {part: self.content[part] for part in parts}


def training_of(
    config: StudyConfig,
    architecture: Architecture,
    stem: Choice,
    algorithm: Choice,
    source: str,
    seed: int,
    **fields: Any,
) -> Training:
    """The training of one combination."""
    domains = sources(source)
    tested = {target: config.part_of(target, domains) for target in config.targets}
    return Training(
        suite=config.suite_name,
        image_size=config.image_size,
        architecture=architecture,
        stem=stem,
        algorithm=algorithm,
        sources=domains,
        targets=config.targets,
        content=config.content_of(domains, tested),
        seed=seed,
        budget=config.budget,
        protocol=config.protocol,
        precision=config.precision,
        adaptation=config.adaptation,
        **fields,
    )


# ---------------------------------------------------------------- from options to configurations


#: More seeds than anyone trains: a study of them would be planned for hours.
MOST_SEEDS = 1_000


def parse_seeds(words: Sequence[str]) -> tuple[int, ...]:
    """Seeds from text: one number is how many, from 0 up; several are the seeds themselves.

    Raises:
        InputError: the text is neither.

    >>> parse_seeds(["3"]), parse_seeds(["3,7"]), parse_seeds(["7,"])
    ((0, 1, 2), (3, 7), (7,))
    """
    items = [part for word in words for part in split_list(word)]
    listed = len(items) > 1 or any("," in word for word in words)
    try:
        numbers = [int(item) for item in items]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < (0 if listed else 1) or max(numbers) >= 2**32:
        raise InputError(
            f"seeds are {','.join(words)!r}, must be how many (1 or more), or a list such as 0,3,7"
        )
    if not listed and numbers[0] > MOST_SEEDS:
        raise InputError(
            f"seeds are {numbers[0]}, must be how many (at most {MOST_SEEDS:,}), or a list such "
            f"as {numbers[0]}, with a comma for one seed"
        )
    return tuple(dict.fromkeys(numbers)) if listed else tuple(range(numbers[0]))


def parse_domains(words: Sequence[str], suite: Suite, what: str) -> tuple[str, ...]:
    """Domains of a suite by their names, each once; ``all`` is every one; "+" joins sources.

    Sources may also be ``leave-one-out``: for each domain all the others joined.

    Raises:
        InputError: a name that is no domain of the suite.
    """
    if list(words) == ["all"]:
        return suite.trainable if what == "source" else suite.domains
    items = tuple(dict.fromkeys(part for word in words for part in split_list(word)))
    if what == "source" and LEAVE_ONE_OUT in items and LEAVE_ONE_OUT not in suite.domains:
        if len(items) > 1:
            raise InputError(
                f"sources are {','.join(items)!r}; {LEAVE_ONE_OUT} names all sources, and stands "
                "alone"
            )
        return left_out(suite)
    for item in items:
        names = sources(item) if what == "source" else (item,)
        for name in names:
            if name not in suite.domains:
                raise InputError(
                    f"{what} {name!r} is not a domain of {suite.name}; "
                    f"it has {', '.join(suite.domains)}"
                )
            if what == "source" and name in suite.tested_only:
                raise InputError(
                    f"source {name!r} is tested and never trained on; sources may be "
                    f"{', '.join(suite.trainable)}"
                )
        if len(set(names)) < len(names):
            raise InputError(
                f"source {item!r} names a domain twice; {JOINT!r} joins different ones"
            )
    if not items:
        raise InputError(f"no {what}; name one or more of {', '.join(suite.domains)}, or all")
    return items


def study_fields(
    *,
    suite: str,
    image_size: int | None,
    splits: Path | None,
    data_dir: Path | None,
    stems: Sequence[Choice],
    algorithms: Sequence[str],
    sources_named: Sequence[str],
    targets: Sequence[str],
    seeds: Sequence[str],
    budget: str,
    changes: Mapping[str, Any],
    precision: str,
    device: str,
    read_images: bool = True,
) -> dict[str, Any]:
    """The fields of a study that options of every command describe.

    Args:
        read_images: whether images may be read to know their digests; without it, and where these
            are not known from before, the study can be shown and not run.

    Raises:
        InputError: an option that cannot be used.
    """
    precision = str(precision)  # a program may well say 32
    check_known("precision", precision, ("auto", "32", "bf16"))
    protocol = protocol_named(budget).changed(changes, "protocol")
    domains = load_suite(suite, data_dir=data_dir, size=image_size, splits=splits)
    chosen = parse_domains(sources_named, domains, "source")
    measured = parse_domains(targets, domains, "target")
    return {
        "suite": suite,
        "image_size": domains.size,
        "splits": str(splits) if splits else None,
        "content": _content(domains, chosen, measured, protocol, read_images),
        "stems": tuple(stems),
        "algorithms": ALGORITHMS.choose_all(algorithms),
        "sources": chosen,
        "targets": measured,
        "seeds": parse_seeds(seeds),
        "budget": budget,
        "protocol": protocol,
        "precision": choose_precision(precision, device),
    }


def _content(
    suite: Suite,
    chosen: Sequence[str],
    measured: Sequence[str],
    protocol: Protocol,
    read_images: bool,
) -> dict[str, str]:
    """Digests of what is learned from, selected on and tested on, and of nothing else."""
    parts = parts_used(suite, chosen, measured, protocol)
    digest = suite.digest if read_images else suite.known_digest
    return {name: digest(domain, part) or UNKNOWN for name, (domain, part) in parts.items()}
