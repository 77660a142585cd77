"""What saved predictions tell: calibration, classes taken for others, images rescued and lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nasneurn.analysis.confusion import confusion
from nasneurn.analysis.rescued import rescue_counts, rescued_images
from nasneurn.diagnosis.chosen import CONTROL, Chosen
from nasneurn.errors import InputError
from nasneurn.progress import meter
from nasneurn.studies.folder import Study
from nasneurn.studies.saved import predictions_path
from nasneurn.training.calibration import reliability

Classes = npt.NDArray[np.int64]
#: The kind of the training (settings and architecture), source, target and stem, in one tuple.
Key = tuple[str, ...]


@dataclass
class Answered:
    """What the predictions that there are tell.

    Attributes:
        names: of the columns that a key fills.
        answers: the chosen class of each image, by key and seed.
        labels: the right ones, by key.
        tables: ``reliability`` (a row for each bin of confidence), ``confusions`` (for each class
            and answer), both of all seeds together; ``rescued`` (for each pair and stem, see
            :func:`nasneurn.analysis.rescued.rescue_counts`) and ``rescued_images`` (each of them).
        lacking: how many trainings have no saved predictions.
    """

    names: tuple[str, ...]
    answers: dict[Key, dict[int, Classes]] = field(default_factory=dict)
    labels: dict[Key, Classes] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    lacking: int = 0

    def columns(self, key: Key) -> dict[str, str]:
        """A key as columns of a table."""
        return dict(zip(self.names, key, strict=True))

    def paired(self, key: Key) -> tuple[list[int], Classes, Classes] | None:
        """The seeds that a key's stem and the control both have, and the answers of both.

        Answers are (seeds, images), the control's first; None without such a seed.
        """
        before = self.answers.get((*key[:-1], CONTROL), {})
        after = self.answers[key]
        seeds = sorted(set(before) & set(after))
        if not seeds:
            return None
        return seeds, np.stack([before[one] for one in seeds]), np.stack([after[s] for s in seeds])


def key_of(chosen: Chosen, row: Mapping[Any, Any], target: str) -> Key:
    """The key of a row of ``accuracy.csv`` for a target."""
    return (*(str(row[name]) for name in chosen.keys), row["source"], target, row["stem"])


def read_answers(study: Study, chosen: Chosen, classes: Sequence[str]) -> Answered:
    """Read the saved predictions of the chosen trainings, and make all tables of them.

    Raises:
        InputError: a file of predictions cannot be read, or is not of what its training measured.
    """
    found = Answered((*chosen.keys, "source", "target", "stem"))
    bins: list[pd.DataFrame] = []
    cells: dict[Key, Classes] = {}
    trainings, lacking = chosen.trainings, set()
    with meter("saved predictions", len(trainings)) as progress:
        for row in trainings.to_dict(orient="records"):
            progress.advance()
            path = predictions_path(study.folder, row["training"])
            if not path.is_file():
                lacking.add(row["training"])
                continue
            for target, part in study.predictions(row["training"]).groupby("target", observed=True):
                if target not in chosen.targets(row["source"]):
                    continue
                images = chosen.images(row["training"], str(target))
                logits = _logits(part, len(classes), images, f"{path}, {target!s}")
                labels = part["label"].to_numpy()
                key = key_of(chosen, row, str(target))
                bins.append(reliability(logits, labels).assign(**found.columns(key)))
                counts = confusion(logits, labels)
                cells[key] = cells[key] + counts if key in cells else counts
                found.answers.setdefault(key, {})[int(row["seed"])] = logits.argmax(axis=1)
                found.labels[key] = labels
    found.lacking = len(lacking)
    if bins:
        found.tables["reliability"] = _together(pd.concat(bins), [*found.names, "bin"])
        found.tables["confusions"] = pd.concat(
            [_confusions(counts, classes).assign(**found.columns(k)) for k, counts in cells.items()]
        )[[*found.names, "label", "answer", "images", "share"]]
        _add_rescued(found, classes)
    return found


def _logits(part: pd.DataFrame, classes: int, images: int, where: str) -> npt.NDArray[np.floating]:
    """(images, classes), as a training with that row must have left them."""
    widths = {0 if one is None else len(one) for one in part["logits"]}
    fault = ""
    if widths != {classes}:
        told = ", ".join(map(str, sorted(widths)))
        fault = f"logits of {told} classes, and the study has {classes}"
    elif len(part) != images:
        fault = f"{len(part)} images, and {images} were measured"
    elif not np.isfinite(logits := np.stack(part["logits"].to_list())).all():
        fault = "logits that are not finite"
    elif not part["label"].between(0, classes - 1).all():
        fault = f"labels that are not 0 to {classes - 1}"
    if fault:
        raise InputError(f"{where}: {fault}; remove the file, and what was saved is left out")
    return logits


def _together(bins: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The bins of several seeds as one: sums of images, and means over them."""
    weighted = bins.assign(
        confidence=bins["confidence"] * bins["n"], accuracy=bins["accuracy"] * bins["n"]
    )
    sums = weighted.groupby(keys, sort=False)[["confidence", "accuracy", "n"]].sum()
    sums[["confidence", "accuracy"]] = sums[["confidence", "accuracy"]].div(sums["n"], axis=0)
    return sums.reset_index()


def _confusions(counts: Classes, classes: Sequence[str]) -> pd.DataFrame:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    return pd.DataFrame(
        {
            "label": np.repeat(classes, len(classes)),
            "answer": np.tile(classes, len(classes)),
            "images": counts.ravel(),
            "share": shares.ravel(),
        }
    )


def _add_rescued(found: Answered, classes: Sequence[str]) -> None:
    counts: list[dict[str, Any]] = []
    images: list[pd.DataFrame] = []
    for key in found.answers:
        pair = None if key[-1] == CONTROL else found.paired(key)
        if pair is None:
            continue
        labels = found.labels[key]
        right = [answers == labels for answers in pair[1:]]
        counts.append({**found.columns(key), **rescue_counts(right[0], right[1])})
        whole = rescued_images(right[0], right[1])
        whole.insert(0, "image", np.arange(len(whole)))
        whole.insert(1, "label", np.asarray(classes)[labels])
        images.append(whole[whole["kind"] != ""].assign(**found.columns(key)))
    if counts:
        found.tables["rescued"] = pd.DataFrame(counts)
        order = [*found.names, "kind", "image", "label", "control", "treated"]
        found.tables["rescued_images"] = pd.concat(images)[order]
