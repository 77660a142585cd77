"""The folder of an ablation, opened again: what it compares, and its figure."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from grid_rows import grid_rows
from in_process import run_command
from shows_itself import check_shown, other_axes

from nasneurn import InputError, load_results
from nasneurn.questions import report
from nasneurn.report import style
from nasneurn.report.ablation_figure import compare_variants, draw_ablation, lines_of
from nasneurn.report.ablation_files import write_ablation
from nasneurn.report.tables import in_percent
from nasneurn.studies.ablations import rows_of_variants

RESULTS = Path(__file__).parents[1] / "results"
ABLATION = RESULTS / "ablate-digits"
FEW = ["none", "neurn", "neurn:scope=batch", "neurn:mode=local"]


def test_a_loaded_ablation_is_what_ablate_gives() -> None:
    study = load_results(ABLATION)
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
    study = load_results(ABLATION)
    axes = other_axes()
    assert study.plot_variants(axes, against="plain NeuRN") is axes
    assert {text.get_text() for text in axes.get_yticklabels()} >= {"none", "c of the batch"}
    assert "against none" in study.plot_variants().get_xlabel()
    with pytest.raises(InputError, match="control is 'sobel'"):
        study.plot_variants(against="sobel")


def test_a_study_without_forms_of_neurn_says_so(tmp_path: Path) -> None:
    bench = load_results(RESULTS / "bench-digits")
    shutil.copy(bench.config_path, tmp_path)
    rows = bench.accuracy
    rows[rows["stem"] != "neurn"].to_csv(tmp_path / "accuracy.csv", index=False)
    study = load_results(tmp_path)
    with pytest.raises(InputError, match="compares no forms of NeuRN on domains not trained on"):
        study.plot_variants()


def test_rows_of_before_stand_in_front() -> None:
    rows = grid_rows(("net",), ("none", "neurn", "neurn:k=5"), seeds=1, sources=("mnist",))
    told = list(dict.fromkeys(rows_of_variants(rows)["variant"]))
    assert told == ["none", "plain NeuRN", "k = 5"]
    gaps = rows.assign(placement="", applied_stem=rows["stem"])
    pd.testing.assert_frame_equal(rows_of_variants(gaps), rows_of_variants(rows))


def test_forms_trained_in_several_ways_have_a_line_for_each() -> None:
    plain = grid_rows(("net",), ("none", "neurn", "neurn:k=5"), seeds=2, sources=("mnist",))
    rows = pd.concat([plain.assign(algorithm=name) for name in ("erm", "ema")])
    overall = compare_variants(rows)
    names = ["none", "plain NeuRN", "k = 5"]
    lines = [f"{name} ({way})" for name in names for way in ("erm", "ema")]
    assert list(dict.fromkeys(lines_of(overall)["variant"])) == lines
    drawn = draw_ablation(overall, "two seeds").axes[0]
    assert [text.get_text() for text in drawn.get_yticklabels()] == lines
    one = compare_variants(plain)
    pd.testing.assert_frame_equal(lines_of(one), one)


# ---------------------------------------------------------------- nasneurn figures


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of an ablation without what is drawn of it, of few forms, which are drawn fast."""
    monkeypatch.setattr(style, "DPI", 20)
    copied = tmp_path / "ablation"
    copied.mkdir()
    for name in ("config.yaml", "responses.csv"):
        shutil.copy(ABLATION / name, copied)
    rows = load_results(ABLATION).accuracy
    few = rows[rows["stem"].isin(FEW) & (rows["placement"] == "front")]
    few.to_csv(copied / "accuracy.csv", index=False)
    return copied


@pytest.mark.slow
def test_figures_draws_an_ablation_again_with_its_tables_and_caption(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ablation(load_results(folder).ablation)
    names = ("figures/ablation.png", "tables/ablation.csv", "tables/ablation_pairs.csv")
    before = {name: (folder / name).read_bytes() for name in names}
    responses = (folder / "responses.csv").read_bytes()
    shutil.rmtree(folder / "figures")
    (folder / "tables" / "ablation.csv").unlink()
    assert run_command(monkeypatch, "figures", folder, "--figure-format", "svg") == 0
    told = capsys.readouterr().out.split()
    for name in names:
        assert (folder / name).read_bytes() == before[name], name
        assert str(folder / name) in told
    assert (folder / "responses.csv").read_bytes() == responses  # which needs the images
    assert str(folder / "figures" / "ablation.svg") in told
    captions = (folder / "figures" / "captions.txt").read_text().splitlines()
    assert [line for line in captions if line.startswith("ablation.png: What each form of NeuRN")]


@pytest.mark.slow
def test_a_report_draws_an_ablation_anew(folder: Path) -> None:
    _, (content,) = report(folder, out=folder / "page.html")
    (figure,) = (one for one in content.figures if one.name == "ablation")
    assert figure.command == f"nasneurn figures {folder}"


@pytest.mark.slow
def test_figures_of_another_study_have_no_ablation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "DPI", 20)
    folder = tmp_path / "bench"
    folder.mkdir()
    for name in ("config.yaml", "accuracy.csv"):
        shutil.copy(RESULTS / "bench-digits" / name, folder)
    assert run_command(monkeypatch, "figures", folder) == 0
    assert (folder / "figures" / "overall.png").is_file()
    assert not (folder / "figures" / "ablation.png").exists()
    assert not (folder / "tables" / "ablation.csv").exists()
