"""Search quality: the sample, and a measurement end to end."""

from pathlib import Path

import pytest
from killing import units_done
from tiny_search import MINUTE, tiny_config, tiny_fields

from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.report.remake import remake
from nasneurn.search.quality_config import QualityConfig
from nasneurn.search.quality_units import Paths, path_of
from nasneurn.search.search_checks import refuse_idle
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun


def paths_of(stems: list[str], count: int) -> list[Paths]:
    supernets = tiny_config(stems=stems).supernets()
    return [Paths(supernet=supernet, architectures=count) for supernet in supernets]


@pytest.mark.slow
def test_the_sample_covers_the_costs_and_is_the_stems_own_of_no_one() -> None:
    first, second = (paths.sample() for paths in paths_of(["none,neurn"], 6))
    assert [one.choices for one in first] == [one.choices for one in second]
    flops = [one.flops for one in first]
    assert flops == sorted(flops)
    assert len({str(one.choices) for one in first}) == 6
    with pytest.raises(InputError, match=r"256 architectures; 300 are to be sampled"):
        paths_of(["none"], 300)[0].sample()


@pytest.mark.slow
def test_a_measurement_end_to_end_and_continued(tmp_path: Path) -> None:
    changes = {**MINUTE, "supernet.generations": 2}
    fields = {**tiny_fields(changes=changes), "architectures": 3}
    out = tmp_path / "out"

    def measured(**more: object) -> Study:
        config = QualityConfig.checked(**{**fields, **more})
        return StudyRun(config, out, Execution(device="cpu")).run()

    study = measured()
    quality = study.quality
    assert len(quality) == 3
    # Stand-alone accuracies are those of trainings of the study.
    alone = study.accuracy[study.accuracy["architecture"].str.contains("sample")]
    assert set(quality["alone"]) == set(alone["held_out_accuracy"])
    control = study.control.groupby("method")["best"]
    assert set(control.groups) == {"evolution", "random"}
    assert control.apply(lambda best: best.is_monotonic_increasing and len(best) == 6).all()
    figures = remake(study)
    assert any(path.name == "quality.png" for path in figures)
    (store,) = (out / "store").glob("*.jsonl")
    lines = store.read_bytes().splitlines(keepends=True)
    assert measured().quality.equals(quality)
    assert store.read_bytes().splitlines(keepends=True) == lines
    with pytest.raises(InputError, match="architectures: 3 -> 4"):
        measured(architectures=4)

    # Broken off, with paths and a training missing: these are done again, to the same rows.
    done = units_done(out)
    assert len(done) == 6  # the supernet, its winner, paths, the sample
    store.write_bytes(b"".join([*lines[:2], *lines[3:5]]))
    assert len(units_done(out)) == 4
    assert measured().quality.equals(quality)
    assert sorted(units_done(out)) == sorted(done)


@pytest.mark.slow
def test_where_the_stem_is_searched_the_sample_stands_behind_what_was_drawn() -> None:
    """Trained alone and as a path of the supernet, it is one network behind one stem."""
    config = QualityConfig.checked(**tiny_fields(stems=["search"]), architectures=5)
    (supernet,) = config.supernets()
    paths = Paths(supernet=supernet, architectures=5)
    found, trainings = paths.sample(), config.alone(paths)
    assert all("stem" not in one.choices for one in found)
    assert len({str(one.stem) for one in found}) > 1
    assert [training.applied_stem for training in trainings] == [one.stem for one in found]
    assert [path_of(one)["stem"] for one in found] == [str(one.stem) for one in found]
    (plain,) = paths_of(["neurn"], 5)
    assert path_of(plain.sample()[0]) == plain.sample()[0].choices


@pytest.mark.slow
def test_the_sample_keeps_the_limit_of_the_search() -> None:
    (free,) = paths_of(["none"], 6)
    most = sorted(one.flops for one in free.sample())[2]
    unit = free.supernet.model_copy(update={"max_flops": most})
    limited = Paths(supernet=unit, architectures=6).sample()
    assert max(one.flops for one in limited) <= most
    assert len({str(one.choices) for one in limited}) == 6


@pytest.mark.slow
def test_a_limit_that_draws_hardly_meet_leaves_all_that_are_within() -> None:
    (free,) = paths_of(["none"], 250)
    costs = sorted(one.flops for one in free.sample())
    most = costs[4]  # five of 256 at least, which 240 uniform draws hardly meet
    unit = free.supernet.model_copy(update={"max_flops": most})
    within = sum(one <= most for one in costs)
    found = Paths(supernet=unit, architectures=within).sample()
    assert len({str(one.choices) for one in found}) == within
    assert all(one.flops <= most for one in found)


@pytest.mark.slow
def test_what_cannot_be_measured_is_told_before_the_supernet_is_trained() -> None:
    suite = load_suite("builtin")
    few = QualityConfig.checked(**tiny_fields(), architectures=300)
    with pytest.raises(InputError, match="256 architectures; 300 are to be sampled"):
        few.check(suite, [])
    large = QualityConfig.checked(
        **tiny_fields(changes={"supernet.batch_size": 2000}), architectures=2
    )
    with pytest.raises(InputError, match=r"supernet.batch_size 2000 is larger than the \d+ train"):
        large.check(suite, [])


def test_algorithms_that_only_the_sample_could_use_are_refused() -> None:
    config = QualityConfig.checked(**tiny_fields(algorithms=["randconv"]), architectures=2)
    with pytest.raises(InputError, match="algorithms are randconv, and none is used"):
        refuse_idle((), config)
    refuse_idle((), config.model_copy(update={"weights": ("inherited", "scratch")}))
