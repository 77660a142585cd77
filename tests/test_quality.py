"""Search quality: rank correlations, the sample, hypervolumes, and a measurement end to end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tiny_search import tiny_config, tiny_fields

from nasneurn.analysis.hypervolumes import hypervolumes
from nasneurn.analysis.rank_correlation import rank_correlation, rank_correlations
from nasneurn.errors import InputError
from nasneurn.report.architecture_figure import blocks_of
from nasneurn.report.remake import remake
from nasneurn.search.quality_config import QualityConfig
from nasneurn.search.quality_units import Paths
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun


def test_correlations_are_scipys() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=40)
    second = first + rng.normal(size=40)
    found = rank_correlation(first, second)
    assert found["kendall"] == pytest.approx(stats.kendalltau(first, second).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(first, second).statistic)
    # Fisher's interval of Spearman's rho (Bonett and Wright, 2000), to a tenth.
    rho = found["spearman"]
    reach = 1.96 * np.sqrt((1 + rho**2 / 2) / 37)
    low, high = np.tanh(np.arctanh(rho) + np.array([-reach, reach]))
    assert found["spearman_low"] == pytest.approx(low, abs=0.1)
    assert found["spearman_high"] == pytest.approx(high, abs=0.1)
    assert found["kendall_low"] < found["kendall"] < found["kendall_high"]


def test_what_has_no_spread_has_no_correlation() -> None:
    found = rank_correlation(np.ones(6), np.arange(6.0))
    assert np.isnan(list(found.values())).all()
    three = rank_correlation(np.arange(3.0), np.arange(3.0))
    assert three["kendall"] == 1
    assert np.isnan(three["kendall_low"])


def test_correlations_of_every_supernet_and_measure() -> None:
    quality = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": ["none", "neurn"] * 5, "seed": 0,
            "raw": np.arange(10)[::-1], "recalibrated": np.arange(10), "alone": np.arange(10),
        }
    )  # fmt: skip
    table = rank_correlations(quality).set_index(["stem", "measure"])["kendall"]
    expected = {
        (stem, measure): sign
        for stem in ("none", "neurn")
        for measure, sign in (("raw", -1.0), ("recalibrated", 1.0))
    }
    assert table.to_dict() == pytest.approx(expected)


def paths_of(stems: list[str], count: int) -> list[Paths]:
    supernets = tiny_config(stems=stems).supernets()
    return [Paths(supernet=supernet, architectures=count) for supernet in supernets]


def test_the_sample_covers_the_costs_and_is_the_stems_own_of_no_one() -> None:
    first, second = (paths.sample() for paths in paths_of(["none,neurn"], 6))
    assert [one.choices for one in first] == [one.choices for one in second]
    flops = [one.flops for one in first]
    assert flops == sorted(flops)
    assert len({str(one.choices) for one in first}) == 6
    with pytest.raises(InputError, match=r"256 architectures; 300 are to be sampled"):
        paths_of(["none"], 300)[0].sample()


def test_hypervolume_grows_and_is_comparable() -> None:
    evolution = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": ["a"] * 3 + ["b"], "seed": 0,
            "generation": [0, 1, 1, 0], "flops": [20, 10, 30, 10],
            "held_out_accuracy": [0.5, 0.5, 0.9, 0.9],
        }
    )  # fmt: skip
    table = hypervolumes(evolution).set_index(["stem", "generation"])["hypervolume"]
    # Error from 0.1 to 0.5 and cost from 10 to 30 are scaled to [0, 1]; the reference is 1.05.
    assert table["a", 0] == pytest.approx(0.05 * 0.55)
    assert table["a", 1] == pytest.approx(0.05 * 1.05 + 1.05 * 0.05 - 0.05 * 0.05)
    assert table["b", 0] == pytest.approx(1.05 * 1.05)


def test_blocks_of_found_architectures() -> None:
    spos = {"architecture": {"stem": "neurn:k=3", "layer_1": "k5"}, "stem": {"name": "search"}}
    assert blocks_of(spos) == [("neurn\nk=3", "stem"), ("k5", "k5")]
    former = {
        "architecture": {
            "embed_dim": 64, "depth": 1, "mlp_ratio_0": 2.0, "mlp_ratio_1": 3.0,
            "num_head_0": 3, "num_head_1": 4,
        },
        "stem": {"name": "none"},
    }  # fmt: skip
    assert [text for text, _ in blocks_of(former)] == ["none", "embed\n64", "3 heads\nMLP x2"]


@pytest.mark.slow
def test_a_measurement_end_to_end_and_continued(tmp_path: Path) -> None:
    changes = {"supernet.steps": 6, "supernet.population": 3, "supernet.generations": 2}
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

    # Broken off after the search: what is missing is measured again, to the same rows.
    store.write_bytes(b"".join(lines[:2]))
    assert measured().quality.equals(quality)
