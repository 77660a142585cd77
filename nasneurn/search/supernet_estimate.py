"""How long the supernets of a search will take at most, with what comes after them."""

from collections.abc import Sequence
from statistics import mean

from nasneurn.choices import Choice
from nasneurn.search.quality_config import QualityConfig
from nasneurn.search.quality_units import Paths
from nasneurn.search.search_config import SearchConfig
from nasneurn.search.stem_choices import candidates_of
from nasneurn.search.supernet_unit import Supernet
from nasneurn.studies.estimate import image_counts
from nasneurn.studies.run import StudyRun
from nasneurn.studies.timing import Pace, pace_of, stem_seconds, undisturbed
from nasneurn.studies.units import Unit
from search_spaces.interface import draw_architecture


def supernet_seconds(run: StudyRun, left: Sequence[Unit]) -> dict[str, float]:
    """The seconds that supernets and their paths take, by identity: a drawn path is timed.

    In the time of a supernet are its evolution, and the trainings of what it will find. Of stems
    that are searched among, the mean counts.
    """
    paces: dict[str, Pace] = {}
    stems: dict[Choice, float] = {}
    found: dict[str, float] = {}
    for unit in left:
        supernet = unit.supernet if isinstance(unit, Paths) else unit
        if not isinstance(supernet, Supernet):
            continue
        space, budget = supernet.space, supernet.supernet
        key = space.model_dump_json()
        with undisturbed(run.execution.workers):
            if key not in paces:
                path = space.network(draw_architecture(space.build(), 0))
                paces[key] = pace_of(run, path, budget.batch_size, capture=False)
            if supernet.stem not in stems:
                among = candidates_of(supernet.stem)
                stems[supernet.stem] = mean(stem_seconds(run, one) for one in among)
        pace = paces[key].behind(stems[supernet.stem])
        images = budget.calibration_images + budget.selection_images
        evolution = budget.population * budget.generations * images * pace.measuring
        if isinstance(unit, Paths):
            found[unit.identity] = evolution + 2 * unit.architectures * images * pace.measuring
            continue
        shown = budget.steps * budget.accumulate * budget.batch_size
        found[unit.identity] = shown * pace.training + evolution + _after(run, pace)
    return found


def trainings_after(run: StudyRun) -> int:
    """How many trainings each supernet will be followed by."""
    config = run.config
    assert isinstance(config, SearchConfig)
    ways = sum(1 if one == "inherited" else len(config.algorithms) for one in config.weights)
    return ways + (config.architectures if isinstance(config, QualityConfig) else 0)


def _after(run: StudyRun, pace: Pace) -> float:
    config, counts = run.config, image_counts(run)
    assert isinstance(config, SearchConfig)
    inherited = config.weights.count("inherited")
    measured = inherited * (counts.held_out + counts.test) * pace.measuring
    return measured + (trainings_after(run) - inherited) * counts.seconds(config.protocol, pace)
