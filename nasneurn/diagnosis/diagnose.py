"""All that is known of what stems change in a study, as tables and examples."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from nasneurn.analysis.over_seeds import over_seeds
from nasneurn.diagnosis.answered import read_answers
from nasneurn.diagnosis.chosen import Chosen, choose
from nasneurn.diagnosis.corruptions import robustness
from nasneurn.diagnosis.domain_shift import image_tables
from nasneurn.diagnosis.examples import Sheet, make_sheets
from nasneurn.diagnosis.features import look_inside
from nasneurn.diagnosis.saliency import MISSING, has_captum
from nasneurn.diagnosis.samples import Samples
from nasneurn.domains import Suite
from nasneurn.errors import InputError, check_whole
from nasneurn.rows import sources
from nasneurn.studies.config import UNKNOWN, StudyConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.sameness import digests_now

#: How good and how sure answers are, by the rows of a study.
MEASURES = ("accuracy", "nll", "ece")
#: The fewest images of a domain that say anything.
FEWEST = 20


@dataclass
class Diagnosis:
    """What is known of a study's stems.

    Attributes:
        chosen: the rows that are looked at.
        classes: the names of the classes.
        tables: by name, as they are written.
        sheets: examples of images that a stem rescues or loses.
        notes: what is missing and how to get it, a line each.
    """

    chosen: Chosen
    classes: tuple[str, ...]
    tables: dict[str, pd.DataFrame]
    sheets: list[Sheet] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def diagnose_study(
    study: Study,
    config: StudyConfig,
    suite: Suite,
    device: torch.device,
    *,
    pairs: Sequence[str] = (),
    stems: Sequence[str] = (),
    images: int = 500,
    corrupted: int = 200,
) -> Diagnosis:
    """Make all tables that a study has the files for; see ``docs/diagnose.md``.

    Args:
        study: a study with rows.
        config: its configuration.
        suite: its suite.
        device: where networks run.
        pairs, stems: see :func:`nasneurn.diagnosis.chosen.choose`.
        images: at most so many of each domain, for distances and statistics.
        corrupted: at most so many of them under corruptions, or 0.

    Raises:
        InputError: something is named that the study does not have, its images are others here, or
            a saved file cannot be read.
    """
    check_whole("images", images, FEWEST)
    check_whole("corrupted", corrupted, 0)
    chosen = choose(study.accuracy, pairs, stems)
    samples = Samples(suite, config.protocol, images)
    _check_images(config, suite, samples, chosen)
    tables = {"calibration": _calibration(chosen), **image_tables(samples, chosen, device)}
    answered = read_answers(study, chosen, suite.classes)
    inside = look_inside(study.folder, chosen, samples, device)
    tables |= answered.tables | inside.tables
    notes = [*inside.notes]
    if corrupted:
        robust = robustness(study.folder, chosen, samples, corrupted, device)
        tables |= robust.tables
        notes += robust.notes
    sheets = make_sheets(study.folder, chosen, answered, samples, device)
    if sheets and not has_captum():
        notes.append(MISSING)
    if not chosen.others:
        notes.append(
            "images rescued and lost, and layers side by side, need rows of the stem none and of "
            "another one"
        )
    count = chosen.rows["training"].nunique()
    for lacking, what, needed in (
        (answered.lacking, "predictions", "reliability, confusions and rescued images"),
        (inside.lacking, "weights", "features, layers, corruptions and saliency"),
    ):
        if lacking:
            notes.append(
                f"{lacking} of {count} trainings have no saved {what}, which {needed} need; "
                f"they are made by: {_saving(study.folder, config)}"
            )
    return Diagnosis(chosen, suite.classes, tables, sheets, notes)


def _saving(folder: Path, config: StudyConfig) -> str:
    """The command that runs a study again, and saves all."""
    path, out = folder / "config.yaml", folder.with_name(f"{folder.name}-saved")
    return (
        f"nasneurn bench --config {shlex.quote(str(path))} --save-predictions --save-weights "
        f"--out {shlex.quote(str(out))}{config.trusting}"
    )


def _calibration(chosen: Chosen) -> pd.DataFrame:
    """Accuracy, negative log-likelihood and calibration error: mean and spread over seeds."""
    keys = [*chosen.keys, "source", "target", "stem"]
    there = [name for name in MEASURES if name in chosen.rows]
    values = chosen.rows.melt([*keys, "seed"], there, "measure").dropna(subset="value")
    return over_seeds(values, [*keys, "measure"])


def _check_images(config: StudyConfig, suite: Suite, samples: Samples, chosen: Chosen) -> None:
    """See that test images are those that the study was measured on.

    Raises:
        InputError: some are others.
    """
    used = {f"{samples.part(source, target)}:{target}" for source, target in chosen.pairs}
    used |= {f"test:{domain}" for source in chosen.sources for domain in sources(source)}
    known = {name for name in used if config.content.get(name, UNKNOWN) != UNKNOWN}
    for name, digest in digests_now(sorted(known), suite).items():
        if digest != config.content[name]:
            part, _, domain = name.partition(":")
            raise InputError(
                f"the {part} images of {domain} are not those that the study was measured on"
            )
