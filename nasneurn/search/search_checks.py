"""What is told before the first supernet is trained: that it cannot be."""

from nasneurn.search.supernet_spaces import bare_space, costs
from nasneurn.search.supernet_unit import Supernet
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
