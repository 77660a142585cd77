"""The folder of an ablation, opened again: what it compares, and its figure."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from grid_rows import grid_rows
from shows_itself import check_shown, other_axes

from nasneurn import InputError, load_study
from nasneurn.report.tables import in_percent
from nasneurn.studies.ablations import rows_of_variants

RESULTS = Path(__file__).parents[1] / "results"
ABLATION = RESULTS / "ablate-digits"


def test_a_loaded_ablation_is_what_ablate_gives() -> None:
    study = load_study(ABLATION)
    found = study.ablation
    for table, name in ((found.overall, "ablation"), (found.pairs, "ablation_pairs")):
        written = pd.read_csv(ABLATION / "tables" / f"{name}.csv")
        # The file may be older than the order of the forms.
        own = in_percent(table).set_index(keys := _keys(written))["difference"]
        pd.testing.assert_series_equal(
            own.sort_index(), written.set_index(keys)["difference"].sort_index()
        )
    assert len(found.responses) == len(pd.read_csv(ABLATION / "responses.csv"))
    check_shown(found)


def _keys(table: pd.DataFrame) -> list[str]:
    return [name for name in ("variant", "against", "source", "target") if name in table]


def test_a_loaded_ablation_draws_its_forms() -> None:
    study = load_study(ABLATION)
    axes = other_axes()
    assert study.plot_variants(axes, against="plain NeuRN") is axes
    assert {text.get_text() for text in axes.get_yticklabels()} >= {"none", "c of the batch"}
    assert "against none" in study.plot_variants().get_xlabel()
    with pytest.raises(InputError, match="control is 'sobel'"):
        study.plot_variants(against="sobel")


def test_a_study_without_forms_of_neurn_says_so(tmp_path: Path) -> None:
    bench = load_study(RESULTS / "bench-digits")
    shutil.copy(bench.config_path, tmp_path)
    rows = bench.accuracy
    rows[rows["stem"] != "neurn"].to_csv(tmp_path / "accuracy.csv", index=False)
    study = load_study(tmp_path)
    with pytest.raises(InputError, match="compares no forms of NeuRN on domains not trained on"):
        study.plot_variants()


def test_rows_of_before_stand_in_front() -> None:
    rows = grid_rows(("net",), ("none", "neurn", "neurn:k=5"), seeds=1, sources=("mnist",))
    told = list(dict.fromkeys(rows_of_variants(rows)["variant"]))
    assert told == ["none", "plain NeuRN", "k = 5"]
    gaps = rows.assign(placement="", applied_stem=rows["stem"])
    pd.testing.assert_frame_equal(rows_of_variants(gaps), rows_of_variants(rows))
