"""Accuracy on the source's test images under the corruptions of ImageNet-C."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from nasneurn.analysis.over_seeds import over_seeds
from nasneurn.diagnosis.activations import logits
from nasneurn.diagnosis.chosen import Chosen
from nasneurn.diagnosis.restored import restored, saved_weights
from nasneurn.diagnosis.samples import Samples
from nasneurn.progress import meter
from nasneurn.rows import sources

Bytes = npt.NDArray[np.uint8]

#: The 15 of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), by what they are made of.
CORRUPTIONS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
SEVERITIES = range(1, 6)
#: In the table: images as they are, with severity 0, and the mean over all corruptions.
CLEAN, ALL = "clean", "all"
#: The least side that the library takes.
LEAST_SIDE = 32
#: Of all that corruptions draw.
SEED = 0


@dataclass
class Robustness:
    """The tables, and why they are missing.

    Attributes:
        tables: ``corruptions``, for each source, stem, corruption and severity the accuracy, mean
            over seeds; and ``corruption_means``, over the severities of each corruption and over
            all.
        notes: why there is nothing.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def why_missing() -> str | None:
    """Why there are none here: their package, or something that it needs, is missing."""
    try:
        import_module("imagecorruptions")
    except ImportError as error:
        return f"no corruptions ({error}); they come with pip install 'nasneurn[diagnose]'"
    return None


def corrupted(image: Bytes, name: str, severity: int, seed: int) -> Bytes:
    """An image (H, W, 3) under a corruption: the same for the same seed."""
    functions = import_module("imagecorruptions").corruption_dict
    own = {"seed": seed} if "seed" in signature(functions[name]).parameters else {}
    with _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corrupt = import_module("imagecorruptions").corrupt
        return np.asarray(corrupt(image, severity, corruption_name=name, **own), dtype=np.uint8)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """NumPy's global generator, from which the library draws, seeded; and as it was afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def robustness(
    folder: Path, chosen: Chosen, samples: Samples, most: int, device: torch.device
) -> Robustness:
    """Measure every network whose weights were saved on corrupted test images of its source.

    The images are the first ``most`` of the source's sample, and are the same for all networks.

    Raises:
        InputError: a file of weights cannot be read.
    """
    found = Robustness()
    if missing := why_missing():
        found.notes.append(missing)
        return found
    if samples.suite.size < LEAST_SIDE:
        found.notes.append(
            f"no corruptions: they need images of {LEAST_SIDE} pixels, and these have "
            f"{samples.suite.size}"
        )
        return found
    networks = {source: _networks(folder, chosen, source) for source in chosen.sources}
    networks = {source: listed for source, listed in networks.items() if listed}
    rows: list[dict[str, Any]] = []
    kinds = [name for names in CORRUPTIONS.values() for name in names]
    steps = [(CLEAN, 0), *((name, severity) for name in kinds for severity in SEVERITIES)]
    with meter("corrupted images", len(networks) * len(steps)) as progress:
        for source, listed in networks.items():
            split = samples.source(source)
            order = np.random.default_rng(SEED).permutation(len(split))[:most]
            images, labels = np.asarray(split.images)[order], split.labels[order]
            for name, severity in steps:
                step = {"n": len(order), "corruption": name, "severity": severity}
                seen = images if name == CLEAN else _all_corrupted(images, name, severity)
                for key, path in listed:
                    network = restored(path, samples.suite, device)
                    right = logits(network, seen, device).argmax(axis=1) == labels
                    rows.append({**key, **step, "value": float(right.mean())})
                progress.advance()
    if rows:
        found.tables = _tables(pd.DataFrame(rows), [*chosen.keys, "source", "stem", "n"])
    return found


def _networks(folder: Path, chosen: Chosen, source: str) -> list[tuple[dict[str, Any], Path]]:
    """The trainings on a source whose weights were saved, and the files of these."""
    found: list[tuple[dict[str, Any], Path]] = []
    group = chosen.trainings[chosen.trainings["source"] == source]
    for row in group.to_dict(orient="records"):
        path = saved_weights(folder, row["training"], sources(source)[0])
        if path is not None:
            key = {name: str(row[name]) for name in (*chosen.keys, "source", "stem")}
            found.append(({**key, "seed": int(row["seed"])}, path))
    return found


def _all_corrupted(images: Bytes, name: str, severity: int) -> Bytes:
    seeds = np.random.SeedSequence([SEED, severity, *name.encode()]).generate_state(len(images))
    return np.stack(
        [
            corrupted(image, name, severity, int(seed))
            for image, seed in zip(images, seeds, strict=True)
        ]
    )


def _tables(rows: pd.DataFrame, keys: list[str]) -> dict[str, pd.DataFrame]:
    own = rows[rows["corruption"] != CLEAN]
    of_each = own.groupby([*keys, "seed", "corruption"], sort=False)["value"].mean().reset_index()
    of_all = own.groupby([*keys, "seed"], sort=False)["value"].mean().reset_index()
    whole = [of_each, of_all.assign(corruption=ALL), rows[rows["corruption"] == CLEAN]]
    return {
        "corruptions": over_seeds(rows, [*keys, "corruption", "severity"]),
        "corruption_means": over_seeds(pd.concat(whole), [*keys, "corruption"]),
    }
