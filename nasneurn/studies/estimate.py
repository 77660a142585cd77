"""How long the trainings of a study will take at most, from a few timed steps of their parts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

from nasneurn.algorithms import ALGORITHMS
from nasneurn.algorithms.interface import hook
from nasneurn.choices import Choice
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.build import create_network, describe
from nasneurn.networks.weights import INHERITED
from nasneurn.rows import sources
from nasneurn.studies.inputs import rows_of
from nasneurn.studies.parts import selecting_targets, tested_part
from nasneurn.studies.run import StudyRun
from nasneurn.studies.timing import Pace, pace_of, stem_seconds, step_seconds, undisturbed
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Unit
from nasneurn.training.protocol import Protocol

#: Seconds that timing networks after the first may take, and algorithms; what is left is told by
#: multiply-adds, and as plain training.
NETWORK_SECONDS = 6.0
ALGORITHM_SECONDS = 4.0

#: Of the time that all is expected to take, as much may timing networks take, too. Small networks
#: on a GPU do not need by their multiply-adds, so that an estimate by these can be far too long.
NETWORK_SHARE = 0.01

#: Training without more.
PLAIN = Choice(name="erm")


@dataclass(frozen=True)
class Expected:
    """What trainings take at most.

    Attributes:
        seconds: by the identity of a training.
        untimed: algorithms that were counted as plain training, which take longer.
    """

    seconds: dict[str, float]
    untimed: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """Trainings of one architecture that are left, and the most seconds of one, in the mean."""

    architecture: str
    adaptation: str
    trainings: int
    seconds: float


@dataclass(frozen=True)
class ImageCounts:
    """How many images a training sees: to fit, to select, and of the targets."""

    fit: int
    held_out: int
    test: int

    def seconds(self, protocol: Protocol, pace: Pace) -> float:
        """The most seconds that a training takes."""
        batches, steps = protocol.passes_and_steps(self.fit)
        each_pass = self.fit * pace.training + self.held_out * pace.measuring
        return steps / max(1, batches) * each_pass + self.test * pace.measuring


def estimates(run: StudyRun, left: Sequence[Unit], expected: Expected) -> list[Estimate]:
    """What is expected of the trainings that are ``left``, by architecture."""
    classes, size, way = len(run.suite.classes), run.config.image_size, run.config.adaptation
    by_architecture: dict[Architecture, list[float]] = {}
    for unit in left:
        if isinstance(unit, Training):
            seconds = expected.seconds[unit.identity]
            by_architecture.setdefault(unit.architecture, []).append(seconds)
    return [
        Estimate(one.name, describe(one, classes, size, way).adaptation, len(each), mean(each))
        for one, each in by_architecture.items()
    ]


def expected_seconds(run: StudyRun, left: Sequence[Unit]) -> Expected:
    """The most seconds that each training of ``left`` takes; roughly, and soon.

    Timed are networks without a stem in plain training, stems alone, and on the smallest network
    what each algorithm takes beside plain training: in the precision and on the device of the
    study. As many networks are timed as :data:`NETWORK_SECONDS` allow, or :data:`NETWORK_SHARE`.
    The others are taken to need for each multiply-add what the timed ones need in the middle.
    """
    trainings = [unit for unit in left if isinstance(unit, Training)]
    if not trainings:
        return Expected({})
    counts, protocol = image_counts(run), run.config.protocol
    with undisturbed(run.execution.workers):
        paces = _networks(run, trainings, counts)
        stems = {one: stem_seconds(run, one) for one in {unit.applied_stem for unit in trainings}}
        slowdowns = _algorithms(run, trainings, paces)
    found = {}
    for unit in trainings:
        stem, slowdown = stems[unit.applied_stem], slowdowns.get(unit.algorithm, 1.0)
        pace = paces[unit.architecture].behind(stem, slowdown)
        found[unit.identity] = (
            (counts.held_out + counts.test) * pace.measuring
            if unit.weights == INHERITED
            else counts.seconds(protocol, pace)
        )
    algorithms = dict.fromkeys(unit.algorithm for unit in trainings if unit.weights != INHERITED)
    return Expected(found, tuple(one for one in algorithms if one not in slowdowns))


def _networks(
    run: StudyRun, trainings: Sequence[Training], counts: ImageCounts
) -> dict[Architecture, Pace]:
    """The pace of each architecture; the smallest is timed first: with it libraries get ready."""
    classes, size, way = len(run.suite.classes), run.config.image_size, run.config.adaptation
    costs = {
        one: max(1, describe(one, classes, size, way).flops)
        for one in dict.fromkeys(unit.architecture for unit in trainings)
    }
    timed: dict[Architecture, Pace] = {}
    paces: dict[Architecture, Pace] = {}
    allowed, begun = 0.0, time.monotonic()
    for one in sorted(costs, key=lambda each: costs[each]):
        if timed and time.monotonic() - begun > allowed:
            break
        timed[one] = pace_of(run, create_network(one, classes, size, way)[0])
        if len(timed) == 1:
            begun = time.monotonic()
        usual = Pace(
            median(pace.training / costs[each] for each, pace in timed.items()),
            median(pace.measuring / costs[each] for each, pace in timed.items()),
        )
        paces = {each: timed.get(each, usual.times(cost)) for each, cost in costs.items()}
        left = sum(
            counts.seconds(run.config.protocol, paces[unit.architecture]) for unit in trainings
        )
        allowed = max(NETWORK_SECONDS, NETWORK_SHARE * left / run.execution.workers)
    return paces


def _algorithms(
    run: StudyRun, trainings: Sequence[Training], paces: dict[Architecture, Pace]
) -> dict[Choice, float]:
    """How many times as long as a plain step one by an algorithm takes, on the quickest network.

    Without those that could not be timed, or do more in some steps than in others.
    """
    quickest = min(paces, key=lambda one: paces[one].training)
    plain = paces[quickest].training
    classes, size, way = len(run.suite.classes), run.config.image_size, run.config.adaptation
    found = {PLAIN: 1.0}
    begun = time.monotonic()
    for one in dict.fromkeys(unit.algorithm for unit in trainings):
        algorithm = ALGORITHMS.create(one)
        late = time.monotonic() - begun > ALGORITHM_SECONDS
        if one in found or late or hook(algorithm, "before_step") is not None:
            continue
        network, _ = create_network(quickest, classes, size, way)
        try:
            found[one] = max(1.0, step_seconds(run, network, algorithm) / plain)
        except Exception:
            continue
    return found


def image_counts(run: StudyRun) -> ImageCounts:
    """Images of a training: means over the sources, and of all targets; labels are counted."""
    protocol, targets = run.config.protocol, run.config.targets
    fit, held_out, test = [], [], []
    oracle = sum(
        len(rows_of(run.suite, target, protocol)[1])
        for target in selecting_targets(targets, protocol)
    )
    for source in run.config.sources:
        rows = [rows_of(run.suite, domain, protocol) for domain in sources(source)]
        fit.append(sum(len(one) for one, _ in rows))
        held_out.append(sum(len(one) for _, one in rows) + oracle)
        test.append(
            sum(
                len(
                    run.suite.labels(
                        target, tested_part(run.suite, target, sources(source), protocol)
                    )
                )
                for target in targets
            )
        )
    return ImageCounts(*(sum(numbers) // len(numbers) for numbers in (fit, held_out, test)))
