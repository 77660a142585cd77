"""What is told before the first supernet is trained: that it cannot be, or that nothing asks."""

from collections.abc import Iterable

import torch

from nasneurn.algorithms.conformance import check_network_of
from nasneurn.choices import Choice
from nasneurn.domains import Suite
from nasneurn.errors import InputError
from nasneurn.rows import sources
from nasneurn.search.search_config import SearchConfig
from nasneurn.search.supernet_budgets import SupernetBudget
from nasneurn.search.supernet_spaces import bare_space, costs
from nasneurn.search.supernet_unit import USED_OF_PROTOCOL, Supernet
from nasneurn.studies.inputs import rows_of
from search_spaces.conformance import check_space
from search_spaces.costs import limit
from search_spaces.interface import activate, draw_architecture
from search_spaces.sampling import path_rule
from search_spaces.supernet import as_supernet


def check_supernet(unit: Supernet, classes: int) -> None:
    """See that a space can be searched, that a limit can be met, and that a rule of paths fits.

    Raises:
        InputError: the space cannot be built, or its logits are not of so many classes.
        SpaceError: anything else that cannot be.
    """
    size = unit.image_size
    space = bare_space(unit)
    counted = costs(unit)
    limit(counted, unit.max_flops, unit.max_params)
    budget = unit.supernet
    path_rule(budget.sampling, space, seed=0, costs=counted, accumulate=budget.accumulate)
    check_space(lambda: bare_space(unit), (3, size, size))
    supernet = as_supernet(bare_space(unit)).eval()
    activate(supernet, draw_architecture(supernet, 0))
    with torch.no_grad():
        given = supernet(torch.zeros(2, 3, size, size)).shape
    if given != (2, classes):
        raise InputError(
            f"space {unit.space.space!r} gives {tuple(given)} for two images, must give logits "
            f"(2, {classes})"
        )


def check_batches(config: SearchConfig, suite: Suite) -> None:
    """See that there is a batch of images to train each supernet with.

    Raises:
        InputError: there are too few images.
    """
    size = config.supernet.batch_size
    for source in config.sources:
        fitted = sum(len(rows_of(suite, one, config.protocol)[0]) for one in sources(source))
        if size > fitted:
            raise InputError(
                f"supernet.batch_size {size} is larger than the {fitted} training images of "
                f"{source}"
            )


def check_trained(unit: Supernet, algorithms: Iterable[Choice], classes: int) -> None:
    """See that what is found can be trained by all algorithms, by one architecture of the space.

    Raises:
        InputError: names the first that cannot train it.
    """
    space = bare_space(unit)
    network = unit.space.network(draw_architecture(space, 0))
    images = torch.zeros(2, 3, unit.image_size, unit.image_size)
    for algorithm in algorithms:
        try:
            check_network_of(algorithm, network, images, classes)
        except InputError as error:
            raise InputError(f"space {unit.space.space!r}: {error}") from None


def refuse_idle(changes: Iterable[str], config: SearchConfig) -> None:
    """Refuse changes of how found architectures are trained where none of them is trained.

    Args:
        changes: fields of the protocol, and as ``supernet.FIELD`` of the supernet's budget.
        config: the whole search, with what its folder holds.

    Raises:
        InputError: the first of them.
    """
    why = "what is found has the weights of its supernet and is not trained"
    remedy = "say --weights inherited,scratch"
    if config.algorithms != (Choice(name="erm"),) and "scratch" not in config.weights:
        named = ", ".join(map(str, config.algorithms))
        raise InputError(f"algorithms are {named}, and none is used: {why}; {remedy}")
    if config.trains:
        return
    for field in changes:
        if field not in USED_OF_PROTOCOL and not field.startswith("supernet."):
            known = field in SupernetBudget.model_fields
            or_else = f"say supernet.{field}, or " if known else ""
            raise InputError(f"{field!r} changes nothing here: {why}; {or_else}{remedy}")
