"""Whether a supernet's ranking can be trusted: its accuracies beside those of stand-alone training.

A stratified sample of architectures is measured twice: as paths of the trained supernet, and each
trained from scratch. Rank correlation between the two says what a search over the supernet is
worth. Random search at the cost of the evolution is the control of the evolution.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import PositiveInt

from nasneurn import engines
from nasneurn.analysis.rank_correlation import rank_correlations
from nasneurn.configuration import RunConfig
from nasneurn.environment import environment
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.networks.spaces import architecture_name
from nasneurn.progress import Meter, meter
from nasneurn.search.candidates import Scorer, scorer_of
from nasneurn.search.config import SearchConfig
from nasneurn.search.jobs import JobWork, train_alone
from nasneurn.search.outputs import Outputs
from nasneurn.search.run import all_work, run_search
from nasneurn.seeds import stream
from nasneurn.training import choose_device
from nasneurn.training.evaluation import accuracy
from search_spaces.evolution import EvolutionSettings, evolve
from search_spaces.interface import (
    Architecture,
    activate,
    canonical_form,
    choices,
    draw_architecture,
)
from search_spaces.supernet import load_weights, save_supernets

#: Uniform draws for one architecture of the sample.
DRAWS = 40


class QualityConfig(RunConfig):
    """A search whose quality is measured, on so many architectures of each supernet."""

    search: SearchConfig
    architectures: PositiveInt = 12


class QualityOutputs:
    """The folder of a measurement.

    ``quality.csv`` has a row for each architecture of each supernet; ``correlation.csv`` one for
    each supernet and way of measuring; ``control.csv`` the best score after each evaluation, of
    the evolution and of random search; ``quality.png`` draws the three. ``search/`` is the folder
    of the search itself.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_path = folder / "config.yaml"
        self.quality_path = folder / "quality.csv"
        self.correlation_path = folder / "correlation.csv"
        self.control_path = folder / "control.csv"
        self.figure = folder / "quality.png"
        self.search = Outputs(folder / "search")
        self.state = folder / "state"

    @property
    def complete(self) -> bool:
        """Whether the measurement has run to its end."""
        return self.quality_path.exists() and not self.state.exists()

    def quality(self) -> pd.DataFrame:
        """The table of architectures."""
        return pd.read_csv(self.quality_path, keep_default_na=False)

    def correlation(self) -> pd.DataFrame:
        """The table of correlations."""
        return pd.read_csv(self.correlation_path)

    def control(self) -> pd.DataFrame:
        """The table of best scores."""
        return pd.read_csv(self.control_path, keep_default_na=False)

    def draw(self) -> list[Path]:
        """Draw the figure from the tables; gives its path."""
        from nasneurn.report.quality_figure import draw_quality

        with written_atomically(self.figure) as draft:
            draw_quality(self.quality(), self.correlation(), self.control(), draft)
        return [self.figure]


@dataclass(frozen=True)
class Task:
    """An architecture of one supernet to be measured, or random search over it.

    ``architecture`` is None for the random search. ``supernet`` is the file of the search.
    """

    work: JobWork
    supernet: Path
    architecture: Architecture | None
    path: Path


def measure_all(
    config: QualityConfig,
    out: Path,
    *,
    device: str = "auto",
    data_dir: Path | None = None,
    engine: str = "here",
    workers: int = 1,
) -> QualityOutputs:
    """Search, then measure the search; or continue either where it stopped.

    Raises:
        InputError: the folder holds another measurement, or the input cannot be used.
    """
    outputs = QualityOutputs(out)
    config.check_folder(outputs.config_path, "measurement")
    if outputs.complete:
        return outputs
    found = run_search(
        config.search,
        outputs.search.folder,
        device=device,
        data_dir=data_dir,
        engine=engine,
        workers=workers,
    )
    outputs.state.mkdir(parents=True, exist_ok=True)
    config.write(outputs.config_path, environment())
    # The search's own state is gone; each supernet is unpacked once more, for the tasks.
    state = outputs.state.resolve()
    works = [
        replace(work, state=state)
        for work in all_work(config.search, found, choose_device(device), data_dir)
    ]
    tasks = [
        task
        for work in works
        for task in _tasks(work, found.supernet_path.resolve(), state, config)
    ]
    left = [task for task in tasks if not task.path.exists()]
    apart = engine != "here"
    with meter("architectures", len(left)) as progress:
        for task, answer in engines.run(engine, measure, iter(left), workers):
            if isinstance(answer, engines.Failure):
                raise InputError(f"{task.work.job.name}: {answer.error}")
            progress.advance(1, task.work.job.name if apart else "")
    _write(outputs, [json.loads(task.path.read_text()) for task in tasks])
    shutil.rmtree(state)
    return outputs


def sample(work: JobWork, count: int) -> list[Architecture]:
    """``count`` architectures of a space, one from each stratum of multiply-adds.

    Uniform draws are sorted by cost and cut into ``count`` strata; the middle of each is taken.
    The draws are a function of the seed alone, so that two stems get the same architectures.
    """
    costs = work.costs()
    space = work.choice.build()
    canonical = canonical_form(space)
    seed = stream(work.job.seed, "sample")
    drawn = [canonical(draw_architecture(space, seed, number)) for number in range(DRAWS * count)]
    unique = {architecture_name(one): one for one in drawn}
    ranked = sorted(unique.values(), key=lambda one: (costs(one).flops, architecture_name(one)))
    if len(ranked) < count:
        raise InputError(f"the space has {len(ranked)} architectures; {count} are to be sampled")
    return [ranked[int((place + 0.5) * len(ranked) / count)] for place in range(count)]


def _tasks(work: JobWork, supernet: Path, state: Path, config: QualityConfig) -> Iterator[Task]:
    for number, architecture in enumerate(sample(work, config.architectures)):
        yield Task(work, supernet, architecture, state / f"{work.job.name}-{number}.json")
    yield Task(work, supernet, None, state / f"{work.job.name}-random.json")


def measure(task: Task) -> None:
    """Do a task; its result is kept in its file."""
    work = task.work
    if not work.supernet_path.exists():
        # A finished search keeps its supernets in one file; a job looks for its own.
        weights = load_weights(task.supernet, work.job.name)
        work.folder.mkdir(parents=True, exist_ok=True)
        save_supernets(work.supernet_path, {work.job.name: weights}, work.choice.about)
    scorer = scorer_of(work)
    if task.architecture is None:
        result: dict[str, Any] = {"scores": _random_search(work, scorer)}
    else:
        result = {"row": _row(work, scorer, task.architecture)}
    with written_atomically(task.path) as draft:
        draft.write_text(json.dumps({"identity": work.identity, **result}))


def _random_search(work: JobWork, scorer: Scorer) -> list[float]:
    """Scores of as many uniform draws as the evolution has candidates, none twice."""
    budget = work.config.budget
    drawn = evolve(
        choices(scorer.supernet),
        lambda architectures: map(scorer, architectures),
        work.costs(),
        settings=EvolutionSettings(budget.population * budget.generations, generations=1),
        seed=stream(work.job.seed, "random search"),
        canonical=canonical_form(scorer.supernet),
    )
    return [candidate.score for candidate in drawn]


def _row(work: JobWork, scorer: Scorer, architecture: Architecture) -> dict[str, Any]:
    held_out = work.images().held_out
    activate(scorer.supernet, architecture)
    raw = accuracy(scorer.supernet, held_out)
    recalibrated = scorer(architecture)
    steps = work.config.budget.retrain_steps
    silent = Meter("", steps, None, shown=False)
    alone = accuracy(train_alone(work, architecture, silent), held_out)
    return {
        "architecture": architecture_name(architecture),
        "flops": work.costs()(architecture).flops,
        "raw": raw,
        "recalibrated": recalibrated,
        "alone": alone,
        "n": len(held_out),
    }


def _write(outputs: QualityOutputs, results: list[dict[str, Any]]) -> None:
    quality = pd.DataFrame([{**r["identity"], **r["row"]} for r in results if "row" in r])
    evolution = outputs.search.evolution()
    control: list[dict[str, Any]] = []
    for result in results:
        if "scores" not in result:
            continue
        identity = result["identity"]
        own = evolution[
            (evolution["source"] == identity["source"])
            & (evolution["stem"] == identity["stem"])
            & (evolution["seed"] == identity["seed"])
        ]
        for method, scores in (
            ("evolution", own["source_accuracy"].tolist()),
            ("random", result["scores"]),
        ):
            best = np.maximum.accumulate(scores).tolist()
            control += [
                {**identity, "method": method, "evaluations": count, "best": value}
                for count, value in enumerate(best, start=1)
            ]
    for path, table in (
        (outputs.quality_path, quality),
        (outputs.correlation_path, rank_correlations(quality)),
        (outputs.control_path, pd.DataFrame(control)),
    ):
        with written_atomically(path) as draft:
            table.to_csv(draft, index=False)
    outputs.draw()
