"""Search quality: the sample, and a measurement end to end."""

from pathlib import Path

import pytest
from killing import units_done
from tiny_search import MINUTE, tiny_config, tiny_fields

from nasneurn.errors import InputError
from nasneurn.report.remake import remake
from nasneurn.search.quality_config import QualityConfig
from nasneurn.search.quality_units import Paths
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
