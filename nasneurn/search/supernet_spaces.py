"""The space of a supernet behind its stems, and what its architectures cost."""

import json

from torch import nn

from nasneurn.search.stem_choices import candidates_of
from nasneurn.search.supernet_unit import Supernet
from nasneurn.stems import STEMS
from nasneurn.studies.inputs import standardized_stem
from nasneurn.studies.training_unit import SEARCHED
from nasneurn.studies.units import Place
from nasneurn.training.devices import choose_device
from search_spaces.costs import Costs, costs_of
from search_spaces.interface import ModelSpace
from search_spaces.stem_choice import Stem

#: Costs by space and stem, counted once in a process.
_costs: dict[str, Costs] = {}


def bare_space(unit: Supernet) -> ModelSpace:
    """The space behind its stems as they are, to be counted and checked: no image is needed."""
    stems = {str(stem): STEMS.create(stem) for stem in candidates_of(unit.stem)}
    return unit.space.build(_as_stem(unit, stems))


def space_to_train(unit: Supernet, place: Place) -> ModelSpace:
    """The space behind its stems, each with what standardizes its answers."""
    device = choose_device(place.device)
    stems = {
        str(stem): standardized_stem(stem, place.suite.open(), unit.sources, unit.protocol, device)
        for stem in candidates_of(unit.stem)
    }
    return unit.space.build(_as_stem(unit, stems))


def _as_stem(unit: Supernet, stems: dict[str, nn.Module]) -> Stem:
    return stems if unit.stem == SEARCHED else next(iter(stems.values()))


def costs(unit: Supernet) -> Costs:
    """The costs of all architectures of the space."""
    key = json.dumps(
        [unit.space.model_dump(mode="json"), str(unit.stem), unit.image_size], sort_keys=True
    )
    if key not in _costs:
        _costs[key] = costs_of(lambda: bare_space(unit), (3, unit.image_size, unit.image_size))
    return _costs[key]
