"""A page beside saved weights: what the network is, and where it comes from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nasneurn.environment import environment
from nasneurn.files import written_atomically

if TYPE_CHECKING:
    from nasneurn.studies.training_unit import Training
    from nasneurn.training.scaling import Statistics

#: What is to be known of the images' licences, by the suite's name.
LICENCES = {
    "builtin": "Images of scikit-learn's digits (from UCI's, CC BY 4.0) and drawn ones.",
    "digits": "MNIST, MNIST-M, SVHN and USPS; SVHN is for non-commercial use alone.",
    "digits-resized": "MNIST, MNIST-M, SVHN and USPS; SVHN is for non-commercial use alone.",
}


def about_model(statistics: "Statistics", classes: Sequence[object]) -> dict[str, str]:
    """What a file of weights holds beside the training, so that it can be used without images."""
    content = {
        "mean": list(statistics.mean),
        "std": list(statistics.deviation),
        "classes": [str(one) for one in classes],
    }
    return {"model": json.dumps(content)}


def write_card(path: Path, training: "Training", accuracies: Mapping[str, float]) -> None:
    """Write the card of the weights in ``path``, beside them.

    Raises:
        InputError: the file cannot be written.
    """
    suite = training.suite.partition("+")[0]
    licence = LICENCES.get(suite, "Images of your own; their licence is yours to know.")
    versions = environment()
    commit = versions.pop("commit", "none")
    named = ", ".join(f"{name} {value}" for name, value in versions.items())
    rows = "\n".join(f"| {target} | {100 * share:.1f} |" for target, share in accuracies.items())
    text = f"""# {training.title}

- network: {training.architecture.name}, {training.image_size} pixels, weights {training.weights}
- stem: {training.applied_stem}, {training.placement}
- algorithm: {training.algorithm}
- learned from: {training.source} of the suite {training.suite}, seed {training.seed}
- data: {licence}
- protocol: budget {training.budget}, selection {training.protocol.selection}
- command: `nasneurn bench --config config.yaml --save-weights`, with the study's file; of a search
  `nasneurn search`
- commit: {commit}
- versions: {named}

| domain | accuracy on its test images (%) |
| --- | --- |
{rows}

One seed alone says little of a method; the study has the others.

```python
import nasneurn

model = nasneurn.load_model("{path.name}")
logits = model(images)  # (N, 3, {training.image_size}, {training.image_size}), from 0 to 1 or uint8
```
"""
    with written_atomically(path.with_suffix(".md")) as draft:
        draft.write_text(text, encoding="utf-8")
