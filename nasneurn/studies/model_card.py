"""A page beside saved weights: what the network is, and where it comes from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nasneurn.configuration import read_yaml
from nasneurn.environment import environment
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.studies.own_code import code_digests, kept_digests

if TYPE_CHECKING:
    from nasneurn.studies.placing import Inputs
    from nasneurn.studies.training_unit import Training
    from nasneurn.training.metrics import Metrics

#: Under which key a file of weights says which version wrote it.
VERSION = "nasneurn"
#: What stands before the names of weights that are not the body's own, in a file.
PREFIX = "placement."
#: The suites whose images are known.
KNOWN_SUITES = ("builtin", "digits", "digits-resized")
#: What is to be known of the licence of their images, by domain; those of no row are drawn.
LICENCES = {
    "optdigits": "scikit-learn's digits, a part of UCI's optdigits (CC BY 4.0)",
    "optdigits-m": "UCI's optdigits (CC BY 4.0) on two photographs (Creative Commons)",
    "mnist": "MNIST (no licence by its authors; others state CC BY-SA 3.0)",
    "mnistm": "MNIST-M (licence unknown; made of MNIST and of photographs of BSDS500, which are "
    "for non-commercial research and education)",
    "svhn": "SVHN (for non-commercial use alone)",
    "usps": "USPS (licence unknown)",
    "syn": "SYN (licence unknown)",
}


def about_model(
    training: "Training", inputs: "Inputs", classes: Sequence[object]
) -> dict[str, str]:
    """What a file of weights holds beside the training, so that it can be used without images."""
    content = {
        "mean": list(inputs.statistics.mean),
        "std": list(inputs.statistics.deviation),
        "plain_mean": list(inputs.plain_statistics.mean),
        "plain_std": list(inputs.plain_statistics.deviation),
        "classes": [str(one) for one in classes],
        "code": code_digests(own_names(training)),
    }
    return {"model": json.dumps(content), VERSION: environment()["nasneurn"]}


def write_card(path: Path, training: "Training", measured: Mapping[str, "Metrics"]) -> None:
    """Write the card of the weights in ``path``, beside them.

    Args:
        path: in the folder ``weights`` of a study, whose ``config.yaml`` says of what kind it is.
        training: what gave the weights.
        measured: what they are worth on test images, by domain.

    Raises:
        InputError: the file cannot be written.
    """
    versions = dict(environment())
    commit = versions.pop("commit", "none")
    named = ", ".join(f"{name} {value}" for name, value in versions.items())
    rows = "\n".join(_row(target, found) for target, found in measured.items())
    text = f"""# {training.title}

- network: {training.architecture.name}, {training.image_size} pixels, weights {training.weights}
- stem: {training.applied_stem}, {training.placement}
- algorithm: {training.algorithm}
- learned from: {training.source} of the suite {training.suite}, seed {training.seed}
- data that it learned from: {_licences(training)}
- protocol: budget {training.budget}, selection {training.protocol.selection}
- command: `{_command(path.absolute().parents[1] / "config.yaml", training)}`, where the file is
  that of the study's folder
- commit: {commit}
- versions: {named}

| domain | accuracy on its test images (%) | 95% interval | images |
| --- | --- | --- | --- |
{rows}

The intervals (Wilson's) are of the images alone. One seed says little of a method; the study has
the others.

```python
import nasneurn

model = nasneurn.load_model("{path.name}"{", trust_code=True" if own_code(training) else ""})
logits = model(images)  # (N, 3, {training.image_size}, {training.image_size}), from 0 to 1 or uint8
```
"""
    with written_atomically(path.with_suffix(".md")) as draft:
        draft.write_text(text, encoding="utf-8")


def _row(target: str, found: "Metrics") -> str:
    from scipy.stats import binomtest

    images = sum(one.n for one in found.classes)
    right = round(found.accuracy * images)
    between = binomtest(right, images).proportion_ci(method="wilson")
    shares = f"{100 * found.accuracy:.1f} | {100 * between.low:.1f} to {100 * between.high:.1f}"
    return f"| {target} | {shares} | {images} |"


def _command(config: Path, training: "Training") -> str:
    """The command that trains it again, by the kind of the study whose configuration this is."""
    try:
        kind = read_yaml(config).get("kind")
        imports = any(":" in key for key in kept_digests(config))
    except InputError:  # the rows do not wait for a card
        kind, imports = None, False
    name = "search" if str(kind).startswith("search") else "bench"
    trusted = " --trust-code" if imports or own_code(training) else ""
    return f"nasneurn {name} --config config.yaml --save-weights{trusted}"


def own_names(training: "Training") -> list[str]:
    """Names of what the network is made of that a person may write themselves."""
    return list(dict.fromkeys((*training.architecture.named, training.applied_stem.name)))


def own_code(training: "Training") -> list[str]:
    """The import paths of what loading the network imports that is not of this package."""
    return [name for name in own_names(training) if ":" in name]


def _licences(training: "Training") -> str:
    """The images that a training learned from, with what is known of their licence."""
    if training.suite.partition("+")[0] in KNOWN_SUITES:
        drawn = "drawn by this package"
        told = "; ".join(LICENCES.get(one, f"{one}, {drawn}") for one in training.sources)
    else:
        told = "images of your own, whose licence is yours to know"
    if training.weights not in ("scratch", "inherited"):
        told += "; the weights that it began with have terms of their own"
    return told
