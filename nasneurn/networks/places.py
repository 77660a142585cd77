"""The places where a stem may stand, by name; :mod:`nasneurn.networks.placement` puts it there."""

from typing import Literal

from nasneurn.choices import check_known, split_list

Placement = Literal[
    "front", "inside", "own_scale", "concatenate", "mix", "mix_from_image", "mix_from_stem",
    "after_first", "training", "testing",
]  # fmt: skip

#: What each does with the image x, both it and the stem's answer being standardized.
PLACEMENTS: dict[Placement, str] = {
    "front": "the network sees stem(x)",
    "inside": "it sees the stem's answer to x, which is standardized first, and not again",
    "own_scale": "it sees stem(x), standardized by its own mean and deviation on source images",
    "concatenate": "it sees x and stem(x) as six channels",
    "mix": "it sees x + a (stem(x) - x), with a learned share a",
    "mix_from_image": "the same with a = 0 at first, stem(x) as of own_scale",
    "mix_from_stem": "the same with a = 1 at first, stem(x) as of own_scale",
    "after_first": "it sees x, and the stem acts on the maps of its first convolution",
    "training": "it sees stem(x) in training, and x when it is measured",
    "testing": "it sees x in training, and stem(x) when it is measured",
}

FRONT: Placement = "front"
#: Those that need a convolution through which the network sees its images.
BY_CONVOLUTION: tuple[Placement, ...] = ("concatenate", "after_first")
#: Those whose stem's answers are standardized by their own numbers, whatever the protocol says.
OWN_SCALE: tuple[Placement, ...] = ("own_scale", "mix_from_image", "mix_from_stem")
#: The share of the stem with which a mix begins.
FIRST_SHARES: dict[Placement, float] = {"mix_from_image": 0.0, "mix_from_stem": 1.0}


def parse_placements(words: str | list[str] | tuple[str, ...]) -> tuple[Placement, ...]:
    """Placements by name, each once, in their order.

    Raises:
        InputError: there is none of a name.

    >>> parse_placements("front,mix")
    ('front', 'mix')
    """
    listed = [words] if isinstance(words, str) else words
    names = list(dict.fromkeys(part for word in listed for part in split_list(word)))
    for name in names or [""]:
        check_known("placement", name, PLACEMENTS)
    return tuple(placement for name in names for placement in PLACEMENTS if placement == name)
