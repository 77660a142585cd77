"""Figures as files: vector copies beside them, and what they show as text."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from in_process import refusal, run_command
from matplotlib.figure import Figure

from nasneurn.api import bench, load_results
from nasneurn.errors import InputError
from nasneurn.questions import correlate, diagnose, predict, report
from nasneurn.report import style
from nasneurn.report.figure_captions import write_captions
from nasneurn.report.remake import remake
from nasneurn.report.style import write_figure
from nasneurn.studies.run import Execution

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "results" / "bench-digits"
BEGIN = {"pdf": b"%PDF", "svg": b"<?xml"}


def lines(width: float = 2.0) -> Figure:
    figure = Figure(figsize=(width, 2))
    figure.subplots().plot([0, 1], [0, 1], label="a line")
    return figure


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_a_vector_copy_lies_beside_its_figure_and_is_the_same_each_time(
    kind: str, tmp_path: Path
) -> None:
    for name in ("a_0.5", "b"):
        assert write_figure(lines, tmp_path / f"{name}.png", kind) == tmp_path / f"{name}.png"
    first, second = (tmp_path / f"{name}.{kind}" for name in ("a_0.5", "b"))
    assert first.read_bytes().startswith(BEGIN[kind])
    assert first.read_bytes() == second.read_bytes()
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", f".{kind}"}


def test_no_copy_shows_what_was(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    write_figure(lines, path)
    assert [one.name for one in tmp_path.iterdir()] == ["one.png"]
    write_figure(lines, path, "pdf")
    before = path.with_suffix(".pdf").read_bytes()
    write_figure(lambda: lines(3.0), path)
    assert path.with_suffix(".pdf").read_bytes() != before


@pytest.mark.slow
def test_the_figures_of_a_study_have_copies_and_captions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(style, "DPI", 20)
    folder = tmp_path / "study"
    shutil.copytree(BENCH, folder, ignore=shutil.ignore_patterns("figures"))
    assert run_command(monkeypatch, "figures", str(folder), "--figure-format", "svg") == 0
    told = capsys.readouterr().out.split()
    figures = folder / "figures"
    pictures = sorted(figures.glob("*.png"))
    assert len(pictures) > 3
    for path in pictures:
        assert path.with_suffix(".svg").read_bytes().startswith(BEGIN["svg"])
        assert {str(path), str(path.with_suffix(".svg"))} <= {*told}
    assert str(figures / "captions.txt") in told
    # What the page says below each figure.
    _, (content,) = report(folder, out=tmp_path / "page.html")
    captions = (figures / "captions.txt").read_text(encoding="utf-8").splitlines()
    assert captions == sorted(f"{one.name}.png: {one.caption}" for one in content.figures)


def test_captions_caution_as_the_page_does(tmp_path: Path) -> None:
    assert write_captions(tmp_path) == []
    for name in ("overall-scratch.png", "own.png", "own.pdf"):
        (tmp_path / name).touch()
    notes = {"own": "near chance: 1 of 2 trainings", "overall-scratch": "near chance: all"}
    (path,) = write_captions(tmp_path, notes.__getitem__)
    first, second = path.read_text().splitlines()
    assert first.startswith("overall-scratch.png: What each stem adds")
    assert first.endswith("Caution, near chance: all.")
    assert second == "own.png: Own. Caution, near chance: 1 of 2 trainings."


@pytest.mark.parametrize(
    "command",
    [
        "bench", "search", "align", "search-quality", "ablate", f"diagnose {BENCH}",
        f"predict {BENCH}", f"correlate {BENCH}",
    ],
)  # fmt: skip
def test_an_unknown_format_is_told_before_anything_is_done(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = command.split(" ", 1)
    told = refusal(monkeypatch, capfd, *words, "--figure-format", "jpg", "--out", str(out))
    assert "figure format" in told
    assert "'jpg'" in told
    assert "png, pdf, svg" in told
    assert not out.exists()


@pytest.mark.slow
def test_figures_that_the_rows_no_longer_give_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a second algorithm has joined, each has figures of its own, and none is of both."""
    monkeypatch.setattr(style, "DPI", 20)
    for name in ("config.yaml", "history.csv"):
        shutil.copy(BENCH / name, tmp_path)
    rows = load_results(BENCH).accuracy
    rows.to_csv(tmp_path / "accuracy.csv", index=False)
    study = load_results(tmp_path)
    remake(study, "svg")
    figures = tmp_path / "figures"
    mine = figures / "mine.png"
    shutil.copy(figures / "overall.png", mine)
    assert (figures / "overall.svg").is_file()
    both = pd.concat([rows, rows.assign(algorithm="ema", training=rows["training"] + "x")])
    both.to_csv(tmp_path / "accuracy.csv", index=False)
    remake(study)
    there = {path.stem for path in figures.glob("*.*g")}
    assert {"overall-erm", "overall-ema", "mine"} <= there
    assert "overall" not in there
    told = (figures / "captions.txt").read_text()
    assert "overall.png" not in told
    assert "mine.png" in told


def test_letters_that_no_font_has_are_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    def unknown() -> Figure:
        figure = lines()
        figure.suptitle("\U000f0000")
        return figure

    style._tell_missing_letters.cache_clear()
    for name in ("one", "other"):
        write_figure(unknown, tmp_path / f"{name}.png")
    assert capfd.readouterr().err.count("boxes for letters that no font") == 1
    assert not [one for one in recwarn if "Glyph" in str(one.message)]
    assert style.fonts()[0] == "DejaVu Sans"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: diagnose(BENCH, images="50"), "images is '50', must be a whole number, 20"),
        (lambda: diagnose(BENCH, corrupted=None), "corrupted is None, must be a whole number, 0"),
        (lambda: predict(BENCH, images=40.5), "images is 40.5, must be a whole number, 1"),
        (lambda: correlate(BENCH, neighbours="3"), "neighbours is '3', must be a whole number"),
        (lambda: correlate(BENCH, permutations=99.5), "permutations is 99.5, must be a whole"),
        (lambda: correlate(BENCH, jobs="2"), "jobs is '2', must be a whole number, 1 or more"),
        (lambda: correlate(BENCH, where="a=b"), "where is 'a=b', must be a mapping such as"),
        (lambda: bench(budget=3), "budget is 3, must be one of quick"),
        (lambda: bench(precision="64"), "precision is '64', must be one of auto, 32, bf16"),
        (lambda: report(BENCH, format=None), "format is None, must be one of html"),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_one_line(
    call: Callable[[], object], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=told):
        call()


def test_an_unknown_format_in_a_program(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="figure format is 'eps', must be one of png, pdf, svg"):
        bench(out=tmp_path / "out", execution=Execution(figure_format="eps"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"figure format is 'sgv'.*did you mean 'svg'"):
        remake(load_results(BENCH), "sgv")
    for ask in (diagnose, predict, correlate):
        with pytest.raises(InputError, match="figure format is 'eps', must be one of png, pdf"):
            ask(BENCH, out=tmp_path / "out", figure_format="eps")
    assert not (tmp_path / "out").exists()


def test_a_study_is_finished_with_the_format_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    module = import_module("nasneurn.report.remake")  # nasneurn.report is a function, too
    monkeypatch.setattr(module, "remake", lambda _, kind: asked.append(kind))
    monkeypatch.setattr("nasneurn.programs.opened.done", lambda run: run.study)
    bench(out=tmp_path / "out", execution=Execution(figure_format="pdf"))
    assert asked == ["pdf"]
