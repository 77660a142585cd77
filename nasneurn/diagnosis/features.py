"""What stems change inside networks: distances in features, separability, layers side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from nasneurn.analysis.distances import distances
from nasneurn.analysis.layer_similarity import Gram, alignments, gram
from nasneurn.analysis.over_seeds import over_seeds
from nasneurn.analysis.separability import fisher_ratio
from nasneurn.diagnosis.activations import Seen, seen
from nasneurn.diagnosis.chosen import CONTROL, Chosen
from nasneurn.diagnosis.restored import restored, saved_weights
from nasneurn.diagnosis.samples import Samples
from nasneurn.errors import InputError
from nasneurn.progress import meter

#: The grams of a network's layers on a domain's sample, by name; and all that is known of a seed.
Layers = dict[str, Gram]
OfSeed = dict[str, Layers]
#: In the table of layers: the control beside itself with another seed.
OTHER_SEED = "none, another seed"


@dataclass
class Inside:
    """The tables made from networks, and why some are missing.

    Attributes:
        tables: ``feature_distances`` (for each pair, stem and measure), ``feature_separability``
            (for each source and stem), ``layers`` (the linear CKA of each layer without with each
            layer with the stem, on each domain); means over seeds.
        lacking: how many trainings have no saved weights.
        notes: of networks that have no features.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    lacking: int = 0
    notes: list[str] = field(default_factory=list)


def look_inside(folder: Path, chosen: Chosen, samples: Samples, device: torch.device) -> Inside:
    """Restore each network whose weights were saved, and show it the samples.

    Raises:
        InputError: a file of weights cannot be read.
    """
    found = Inside()
    far: list[dict[str, Any]] = []
    apart: list[dict[str, Any]] = []
    layers: list[dict[str, Any]] = []
    trainings, lacking = chosen.trainings, set()
    by = [*chosen.keys, "source"]
    with meter("networks and their features", len(trainings)) as progress:
        for values, group in trainings.groupby(by, sort=False, dropna=False):
            own = dict(zip(by, map(str, values), strict=True))
            grams: dict[tuple[str, int], OfSeed] = {}
            for row in group.to_dict(orient="records"):
                progress.advance()
                stem, seed = str(row["stem"]), int(row["seed"])
                key = {**own, "stem": stem, "seed": seed}
                try:
                    shown = _shown(folder, row, chosen, samples, device)
                except InputError as error:
                    found.notes.append(f"{row['architecture']}: {error}")
                    continue
                if shown is None:
                    lacking.add(row["training"])
                    continue
                source, targets = shown
                labels = samples.source(own["source"]).labels
                apart.append({**key, "value": fisher_ratio(source.features, labels)})
                for target, there in targets.items():
                    far += [
                        {**key, "target": target, "measure": measure, "value": value}
                        for measure, value in distances(source.features, there.features).items()
                    ]
                grams[stem, seed] = {
                    domain: {name: gram(rows) for name, rows in one.layers.items()}
                    for domain, one in targets.items()
                }
            layers += [{**own, **line} for line in _side_by_side(grams, chosen.others)]
    found.lacking = len(lacking)
    found.notes = list(dict.fromkeys(found.notes))
    for name, lines, keys in (
        ("feature_distances", far, ["source", "target", "stem", "measure"]),
        ("feature_separability", apart, ["source", "stem"]),
        ("layers", layers, ["source", "target", "stem", "layer", "layer_of_stem"]),
    ):
        if lines:
            found.tables[name] = over_seeds(pd.DataFrame(lines), [*chosen.keys, *keys])
    return found


def _shown(
    folder: Path, row: dict[Any, Any], chosen: Chosen, samples: Samples, device: torch.device
) -> tuple[Seen, dict[str, Seen]] | None:
    """What a training's network makes of the source and of each target; None without weights."""
    suite, source = samples.suite, str(row["source"])
    classes = len(suite.classes)
    targets: dict[str, Seen] = {}
    first: Seen | None = None
    for target in chosen.targets(source):
        path = saved_weights(folder, row["training"], target)
        if path is None:
            return None
        network = restored(path, suite, device)
        if first is None:  # an oracle's weights for the first target stand for the source too
            images = np.asarray(samples.source(source).images)
            first = seen(network, images, classes, device)
        images = np.asarray(samples.target(source, target).images)
        targets[target] = seen(network, images, classes, device)
    assert first is not None
    return first, targets


def _side_by_side(
    grams: dict[tuple[str, int], OfSeed], stems: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Layers of the control beside those of each stem with the same seed, and of another seed."""
    controls = sorted(seed for stem, seed in grams if stem == CONTROL)
    for place, seed in enumerate(controls):
        beside = {stem: grams.get((stem, seed)) for stem in stems}
        if len(controls) > 1:
            other = controls[(place + 1) % len(controls)]
            beside[OTHER_SEED] = grams[CONTROL, other]
        for stem, theirs in beside.items():
            for domain, ours in grams[CONTROL, seed].items() if theirs is not None else ():
                assert theirs is not None
                table = alignments([*ours.values()], [*theirs[domain].values()])
                for i, layer in enumerate(ours):
                    for j, other_layer in enumerate(theirs[domain]):
                        yield {
                            "target": domain, "stem": stem, "seed": seed, "layer": layer,
                            "layer_of_stem": other_layer, "value": float(table[i, j]),
                        }  # fmt: skip
