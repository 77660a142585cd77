"""What variants of NeuRN answer to test images, without any training."""

from collections.abc import Iterable

import pandas as pd
import torch
from torch import Tensor

from nasneurn.choices import Choice
from nasneurn.domains import Part, Suite
from nasneurn.stems import STEMS
from nasneurn.studies.ablations import Variant
from nasneurn.studies.inputs import BATCH_SIZE, test_images

#: A response of at least this is saturated: 1 in all but rounding.
SATURATED = 0.999

#: Options that have no part in sigma.
_OF_THE_ANSWER = ("scope", "quantile", "eps", "mode")

COLUMNS = (
    "group", "variant", "stem", "domain", "images", "smallest_sigma", "smallest_positive_sigma",
    "smallest_maximum", "blank", "saturated", "mean", "std",
)  # fmt: skip


def response_table(
    suite: Suite,
    domains: dict[str, Part],
    variants: Iterable[Variant],
    device: torch.device,
) -> pd.DataFrame:
    """A row for each variant and domain, over all its images of a part.

    Columns are, beside names, ``images``; of sigma, before it is divided by c, the smallest value,
    the smallest that is not 0, and the smallest maximum of an image (the c of the paper); the share
    of patches that are ``blank`` (sigma is 0), and that of responses of 0.999 or more
    (``saturated``); mean and standard deviation of the responses. A variant whose NeuRN sees maps
    that a network has learned has no row. Batches are of 256 images, which counts for c of the
    batch alone.
    """
    known: dict[tuple[str, str], dict[str, float]] = {}
    rows = []
    for variant in variants:
        if variant.stem == "none" or variant.placement == "after_first":
            continue
        choice = STEMS.choose(variant.stem)
        for domain, part in domains.items():
            if (variant.stem, domain) not in known:
                images = test_images(suite, domain, part, device)
                batches = (batch for batch, _ in images.batches(BATCH_SIZE))
                known[variant.stem, domain] = _measured(choice, batches)
            about = {"group": variant.group, "variant": variant.label, "stem": str(choice)}
            rows.append({**about, "domain": domain, **known[variant.stem, domain]})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def sigma_of(stem: Choice) -> Choice:
    """The stem that gives the sigma which another one divides."""
    kept = {key: value for key, value in stem.options.items() if key not in _OF_THE_ANSWER}
    return STEMS.choose(Choice(name=stem.name, options={**kept, "mode": "local"}))


@torch.inference_mode()
def _measured(choice: Choice, batches: Iterable[Tensor]) -> dict[str, float]:
    respond, deviate = STEMS.create(choice).eval(), STEMS.create(sigma_of(choice)).eval()
    images = values = blank = saturated = 0
    smallest = positive = maximum = float("inf")
    total = squares = 0.0
    for batch in batches:
        sigma, response = deviate(batch), respond(batch).double()
        images, values = images + len(batch), values + sigma.numel()
        smallest = min(smallest, float(sigma.min()))
        above = sigma[sigma > 0]
        positive = min(positive, float(above.min())) if len(above) else positive
        maximum = min(maximum, float(sigma.amax((1, 2, 3)).min()))
        blank += int((sigma == 0).sum())
        saturated += int((response >= SATURATED).sum())
        total += float(response.sum())
        squares += float(response.square().sum())
    mean = total / values
    return {
        "images": images,
        "smallest_sigma": smallest,
        "smallest_positive_sigma": positive,
        "smallest_maximum": maximum,
        "blank": blank / values,
        "saturated": saturated / values,
        "mean": mean,
        "std": max(0.0, squares / values - mean**2) ** 0.5,
    }
