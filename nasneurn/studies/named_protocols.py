"""Protocols of the field by name: what a grid is, where an option does not say otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nasneurn.choices import check_known
from nasneurn.studies.parts import LEAVE_ONE_OUT


@dataclass(frozen=True)
class NamedProtocol:
    """What options of ``nasneurn bench`` are if they are not given.

    ``changes`` are fields of the budget with other values; ``--set`` goes before them.
    """

    about: str
    models: str = "digits_convnet"
    suite: str = "builtin"
    sources: str = "all"
    seeds: int = 2
    budget: str = "quick"
    adaptation: str = "fit"
    changes: Mapping[str, Any] = field(default_factory=dict)


#: What a bare ``nasneurn bench`` is.
PLAIN = NamedProtocol("a small network on the built-in domains, in minutes")

PROTOCOLS = {
    "single-source-digits": NamedProtocol(
        about="the literature's: the first 10,000 images of MNIST, 10,000 steps, whole test sets "
        "(Volpi et al., NeurIPS 2018, and all who compare with them)",
        suite="digits-resized",
        sources="mnist",
        seeds=5,
        budget="single-source-digits",
    ),
    "paper": NamedProtocol(
        about="that of arXiv 2505.06881: VGG-19 across all pairs of digit domains",
        models="vgg19",
        suite="digits",
        seeds=5,
        budget="paper",
        adaptation="as-published",
    ),
    LEAVE_ONE_OUT: NamedProtocol(
        about="DomainBed's: for each domain one training on all the others, selected on a fifth of "
        "their training images (Gulrajani and Lopez-Paz, ICLR 2021)",
        sources=LEAVE_ONE_OUT,
        seeds=3,
        changes={"hold_out": 0.2, "balanced": True},
    ),
}


def named_protocol(name: str | None) -> NamedProtocol:
    """The protocol of that name; without one, what a bare ``nasneurn bench`` is.

    Raises:
        InputError: there is none.
    """
    if name is None:
        return PLAIN
    check_known("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
