"""The pairs of domains that studies have measured: what a stem gained, and what images tell."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from nasneurn.analysis.cells import SETTINGS, by_oracle, cross_domain
from nasneurn.analysis.comparisons import differences
from nasneurn.choices import Choice
from nasneurn.domains import Part, Suite
from nasneurn.domains.graded_shifts import ENDING, parse_shifted
from nasneurn.errors import InputError
from nasneurn.prediction.pair_features import FEATURES, View, features, view
from nasneurn.prediction.unlabelled import Unlabelled, suite_images
from nasneurn.progress import meter
from nasneurn.rows import sources
from nasneurn.stems import STEMS
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.sameness import digests_now

#: The stem that a search chose is another one for each of its rows.
SEARCHED = "search"
#: Images of each domain that features are made from.
IMAGES = 500
#: What makes a pair of domains one row: settings are never averaged.
KEYS = [name for name in SETTINGS if name not in ("suite", "stem")]


class Views:
    """Domains of a suite through stems; each is seen once.

    Args:
        suite: the suite.
        images: at most so many of each domain.
        device: where the stems run.
    """

    def __init__(self, suite: Suite, images: int, device: torch.device) -> None:
        self._suite = suite
        self._most = images
        self._device = device
        self._images: dict[tuple[tuple[str, ...], str], Unlabelled] = {}
        self._views: dict[tuple[tuple[str, ...], str, str], View] = {}

    def of(self, domains: tuple[str, ...], part: Part, stem: str) -> View:
        """A part of domains through a stem, by its name."""
        key = (domains, part)
        if key not in self._images:
            self._images[key] = suite_images(self._suite, domains, part, self._most)
        if (*key, stem) not in self._views:
            module = STEMS.create(Choice.parse(stem))
            self._views[*key, stem] = view(self._images[key], module, self._device)
        return self._views[*key, stem]

    def features(
        self, learned: tuple[str, ...], target: str, part: Part, stem: str, control: str
    ) -> dict[str, float]:
        """The features of a pair: training images of the sources, and ``part`` of the target."""
        return features(
            self.of(learned, "train", control),
            self.of((target,), part, control),
            self.of(learned, "train", stem),
            self.of((target,), part, stem),
        )


class _Measured:
    """One study: its gains and its images."""

    def __init__(self, study: Study, config: StudyConfig, data_dir: Path | None) -> None:
        self.study = study
        self.config = config
        self._data_dir = data_dir

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows across domains.

        Raises:
            InputError: there are none, or their weights were selected on target images.
        """
        rows = self.study.accuracy if self.study.has("accuracy") else pd.DataFrame()
        if rows.empty:
            raise InputError(f"{self.study.folder} holds no finished training yet")
        if by_oracle(rows):
            raise InputError(
                f"{self.study.folder}: its weights were selected on target images, so its gains "
                "are not those of unlabelled targets; take a study with another selection"
            )
        return cross_domain(rows[rows["stem"] != SEARCHED])

    @cached_property
    def suite(self) -> Suite:
        """Its suite, of the very images that it was measured on.

        Raises:
            InputError: the images are others here.
        """
        content, suite = self.config.content, self.config.open_suite(self._data_dir)
        for name, digest in digests_now(content, suite).items():
            if digest != content[name]:
                raise InputError(
                    f"{self.study.folder}: the images of {name} are others here than those of the "
                    "study; bring these back"
                )
        return suite

    def digests(self, source: str, target: str) -> str:
        """The digests of the images of a pair, as one word."""
        learned = sources(source)
        known = self.config.content_of(learned, {target: self.part(source, target)})
        return " ".join(known.values())

    def part(self, source: str, target: str) -> Part:
        """The part of a target that a training on ``source`` was measured on."""
        return self.config.part_of(target, sources(source))


def known_pairs(
    studies: Sequence[tuple[Study, StudyConfig]],
    *,
    stems: Sequence[str] = (),
    control: str = "none",
    images: int = IMAGES,
    data_dir: Path | None = None,
    device: torch.device | None = None,
    check: Callable[[pd.DataFrame], None] = lambda pairs: None,
) -> pd.DataFrame:
    """A row for each pair of domains, stem and setting, over architectures and paired seeds.

    Args:
        studies: one or several, of images of one size.
        stems: by default all of the studies but the control.
        control: the stem that gains are measured from.
        images: at most so many of each domain for the features.
        data_dir: the folder of the files of ``digits``.
        device: where the stems run.
        check: sees the pairs, without features, before any image is looked at.

    Returns:
        ``suite``, settings, ``stem``, ``source``, ``target``, ``base`` and ``shift`` (the target
        without its shift, and the kind of shift, or ``none``), ``gain`` in points, ``deviation``
        between seeds, ``seeds``, and the columns of :data:`FEATURES`.

    Raises:
        InputError: no study, rows, stem or control as asked for; images that are others here, or
            of several sizes.
    """
    sizes = {str(study.folder): config.image_size for study, config in studies}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{folder} {size}" for folder, size in sizes.items())
        raise InputError(f"studies of images of several sizes cannot be joined ({told})")
    measured = [_Measured(study, config, data_dir) for study, config in studies]
    there = list(dict.fromkeys(stem for one in measured for stem in one.rows["stem"]))
    control, *stems = (str(STEMS.choose(stem)) for stem in (control, *stems))
    for stem in (control, *stems):
        if stem not in there:
            raise InputError(f"stem {stem!r} is not in the studies; they have {', '.join(there)}")
    chosen = list(stems) or [stem for stem in there if stem != control]
    if not [stem for stem in chosen if stem != control]:
        raise InputError(f"the studies have no stem beside {control}; nothing can gain by it")
    cases = [
        _cases_of(one, [control, *chosen], control).assign(study=number)
        for number, one in enumerate(measured)
        if {control, *chosen} & set(one.rows["stem"]) > {control}
    ]
    whole = pd.concat(cases, ignore_index=True) if cases else pd.DataFrame()
    if whole.empty:
        raise InputError(
            f"no case of the studies has both {control} and {' or '.join(chosen)}; train them on "
            "the same sources and seeds"
        )
    pairs = _over_cases(whole)
    shifts = [parse_shifted(target) for target in pairs["target"]]
    pairs["base"] = [base for base, _, _ in shifts]
    pairs["shift"] = [shift or "none" for _, shift, _ in shifts]
    check(pairs)
    return _with_features(pairs, measured, control, images, device or torch.device("cpu"))


def _cases_of(one: _Measured, stems: Sequence[str], control: str) -> pd.DataFrame:
    """What a study gained, a row for each case, with the digests of the images it is of."""
    cases = differences(one.rows[one.rows["stem"].isin(stems)], "stem", control)
    pairs = zip(cases["source"], cases["target"], strict=True)
    return cases.assign(
        gain=100 * cases["difference"],
        suite=[name.removesuffix(ENDING) for name in cases["suite"]],
        images=[one.digests(source, target) for source, target in pairs],
    )


def _over_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """A row for each pair, stem and setting: each architecture has one vote, whatever its seeds.

    A case that two studies have counts once.
    """
    keys = ["suite", "images", *(name for name in KEYS if name in cases)]
    keys += ["stem", "source", "target"]
    cases = cases.drop_duplicates([*keys, "architecture", "seed"])
    grouped = cases.groupby([*keys, "architecture"], sort=False, dropna=False)
    means = grouped["gain"].mean().groupby(level=keys, sort=False, dropna=False).mean()
    # Between seeds, without what is between the architectures that have them.
    apart = cases.assign(apart=cases["gain"] - grouped["gain"].transform("mean"))
    by_seed = apart.groupby([*keys, "seed"], sort=False, dropna=False)["apart"].mean()
    seeds = by_seed.groupby(level=keys, sort=False, dropna=False)
    first = cases.groupby(keys, sort=False, dropna=False)["study"].first()
    table = {"gain": means, "deviation": seeds.std(), "seeds": seeds.count(), "study": first}
    return pd.DataFrame(table).reset_index()


def _with_features(
    pairs: pd.DataFrame,
    measured: Sequence[_Measured],
    control: str,
    images: int,
    device: torch.device,
) -> pd.DataFrame:
    used = dict.fromkeys(pairs["study"])
    views = {number: Views(measured[number].suite, images, device) for number in used}
    records = []
    with meter("images of pairs", len(pairs)) as progress:
        for study, source, target, stem in zip(
            pairs["study"], pairs["source"], pairs["target"], pairs["stem"], strict=True
        ):
            part = measured[study].part(source, target)
            records.append(views[study].features(sources(source), target, part, stem, control))
            progress.advance()
    found = pd.DataFrame(records, columns=list(FEATURES), index=pairs.index)
    return pairs.drop(columns=["study", "images"]).join(found)
