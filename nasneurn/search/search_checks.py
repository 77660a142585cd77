"""What is told before the first supernet is trained: that it cannot be, or that nothing asks."""

from collections.abc import Iterable

from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.search.search_config import SearchConfig
from nasneurn.search.supernet_budgets import SupernetBudget
from nasneurn.search.supernet_spaces import bare_space, costs
from nasneurn.search.supernet_unit import USED_OF_PROTOCOL, Supernet
from search_spaces.conformance import check_space
from search_spaces.costs import limit
from search_spaces.sampling import path_rule


def check_supernet(unit: Supernet) -> None:
    """See that a space can be searched, that a limit can be met, and that a rule of paths fits.

    Raises:
        InputError: the space cannot be built.
        SpaceError: anything else that cannot be.
    """
    size = unit.image_size
    space = bare_space(unit)
    counted = costs(unit)
    limit(counted, unit.max_flops, unit.max_params)
    budget = unit.supernet
    path_rule(budget.sampling, space, seed=0, costs=counted, accumulate=budget.accumulate)
    check_space(lambda: bare_space(unit), (3, size, size))


def refuse_idle(changes: Iterable[str], config: SearchConfig) -> None:
    """Refuse changes of how found architectures are trained where none of them is trained.

    Args:
        changes: fields of the protocol, and as ``supernet.FIELD`` of the supernet's budget.
        config: the whole search, with what its folder holds.

    Raises:
        InputError: the first of them.
    """
    if config.trains:
        return
    why = "what is found has the weights of its supernet and is not trained"
    remedy = "say --weights inherited,scratch"
    for field in changes:
        if field not in USED_OF_PROTOCOL and not field.startswith("supernet."):
            known = field in SupernetBudget.model_fields
            or_else = f"say supernet.{field}, or " if known else ""
            raise InputError(f"{field!r} changes nothing here: {why}; {or_else}{remedy}")
    if config.algorithms != (Choice(name="erm"),):
        named = ", ".join(map(str, config.algorithms))
        raise InputError(f"algorithms are {named}, and none is used: {why}; {remedy}")
