"""Some of the images that a stem rescues, and some that it loses, for contact sheets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from nasneurn.analysis.rescued import LOST, RESCUED
from nasneurn.diagnosis.answered import Answered, Key
from nasneurn.diagnosis.chosen import CONTROL, Chosen
from nasneurn.diagnosis.restored import restored, saved_weights
from nasneurn.diagnosis.saliency import has_captum, saliency
from nasneurn.diagnosis.samples import Samples
from nasneurn.progress import meter
from nasneurn.rows import sources

#: Images of each kind on a sheet; and sheets, since each takes some seconds.
EACH = 10
SHEETS = 24
#: Of the draw.
SEED = 0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Examples:
    """Images of one kind, drawn at random among all of it.

    Attributes:
        kind: rescued or lost.
        of_all: how many there are of the kind.
        images: uint8 (N, H, W, 3).
        captions: the right class and the answers without and with the stem, of most seeds.
        before, after: saliency (N, H, W) without and with the stem, where there is some.
    """

    kind: str
    of_all: int
    images: npt.NDArray[np.uint8]
    captions: tuple[str, ...]
    before: Floats | None
    after: Floats | None


@dataclass(frozen=True, eq=False)
class Sheet:
    """The examples of a pair and a stem.

    Attributes:
        columns: the key of the sheet by the names of its columns.
        applied_stem: the stem that made the images.
        n: how many test images there are.
        examples: rescued ones, and lost ones.
    """

    columns: dict[str, str]
    applied_stem: str
    n: int
    examples: tuple[Examples, ...]


def make_sheets(
    folder: Path, chosen: Chosen, answered: Answered, samples: Samples, device: torch.device
) -> list[Sheet]:
    """The sheets of all pairs and stems that have a rescued or a lost image, at most 24.

    Where there are more, those of other domains come before those of sources.
    """
    whole = answered.tables.get("rescued_images", pd.DataFrame())
    if whole.empty:
        return []
    keys = sorted(
        dict.fromkeys(whole[list(answered.names)].itertuples(index=False, name=None)),
        key=lambda key: key[-2] in sources(key[-3]),
    )[:SHEETS]
    sheets = []
    with meter("rescued and lost images", len(keys)) as progress:
        for key in keys:
            own = whole[(whole[list(answered.names)] == list(key)).all(axis=1)]
            sheets.append(_sheet(folder, key, own, chosen, answered, samples, device))
            progress.advance()
    return sheets


def _sheet(
    folder: Path,
    key: Key,
    own: pd.DataFrame,
    chosen: Chosen,
    answered: Answered,
    samples: Samples,
    device: torch.device,
) -> Sheet:
    source, target, stem = key[-3:]
    paired = answered.paired(key)
    assert paired is not None  # there are rescued images
    seeds, before, after = paired
    labels, classes = answered.labels[key], samples.suite.classes
    rows = chosen.rows
    ours = rows[
        (rows[list(chosen.keys)].astype(str) == list(key[:-3])).all(axis=1)
        & (rows["source"] == source)
        & (rows["target"] == target)
        & (rows["seed"] == seeds[0])
    ].set_index("stem")
    split = samples.tested(source, target)
    found = []
    for kind in (RESCUED, LOST):
        there = own.loc[own["kind"] == kind, "image"].to_numpy()
        order = np.random.default_rng(SEED).permutation(len(there))[:EACH]
        places = np.sort(there[order])
        if not len(places):
            continue
        images = np.asarray(split.take(places).images)
        seen: list[Floats | None] = []
        for level in (CONTROL, stem):
            path = saved_weights(folder, str(ours.loc[level, "training"]), target)
            if path is None or not has_captum():
                seen.append(None)
                continue
            network = restored(path, samples.suite, device)
            seen.append(saliency(network, images, labels[places], device))
        captions = tuple(
            f"{classes[labels[place]]}: {classes[_most(before[:, place])]} → "
            f"{classes[_most(after[:, place])]}"
            for place in places
        )
        found.append(Examples(kind, len(there), images, captions, *seen))
    applied: Any = ours.loc[stem, "applied_stem"]
    return Sheet(answered.columns(key), str(applied), len(labels), tuple(found))


def _most(answers: npt.NDArray[np.int64]) -> int:
    """The answer of most seeds; of several the least."""
    return int(np.bincount(answers).argmax())
