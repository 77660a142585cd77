"""The report of an alignment's folder: what it shows, and the command that makes it again."""

import csv
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from browsing import chromium, opened, serious_faults
from hypothesis import given
from hypothesis import strategies as st
from in_process import refusal, run_command
from nasty_names import NAMES, nasty_zoo

from alignment import Options, Scoring, compute
from alignment.options import PRESETS
from alignment.presets import nearest_preset, preset_options
from alignment.report import write_all
from nasneurn.questions import report
from nasneurn.report.alignment_content import alignment_content
from nasneurn.report.content import Content
from nasneurn.report.page import FORMATS

ROOT = Path(__file__).parents[1]
ALIGN = ROOT / "results" / "align"


def table(content: Content, name: str) -> Any:
    (found,) = [one for one in content.tables if one.name == name]
    return found


@pytest.mark.slow
def test_the_committed_alignments_are_shown_whole() -> None:
    paper = alignment_content(ALIGN)
    with (ALIGN / "representatives.csv").open(newline="") as file:
        chosen = {row["representative"]: row["size"] for row in csv.DictReader(file)}
    assert all(f"{name} (for {size})" in paper.headline[0] for name, size in chosen.items())
    assert paper.headline[1].startswith("Over 946 pairs its similarities correlate with the publ")
    assert "r = 0.981 (networks as printed)" in paper.headline[1]
    assert "in short" not in paper.facts
    assert not any("_" in one.caption for one in paper.figures)
    assert paper.facts["again"] == "nasneurn align --models all --compare published --out FOLDER"
    assert {one.name for one in paper.figures} == {path.stem for path in ALIGN.glob("*.png")}
    assert table(paper, "architectures").lines[0] == ["name", "family", "length", "params", "flops"]
    assert table(paper, "representatives").lines[0][-1] == "distance to medoid"
    assert not table(paper, "similarity").shown
    assert table(paper, "similarity").csv == (ALIGN / "similarity.csv").read_text()
    other = alignment_content(ALIGN / "recommended", figures=False).facts["again"]
    assert other == "nasneurn align --models all --preset recommended --out FOLDER"
    assert alignment_content(ALIGN / "timm").figures[0].name == "map"


def test_the_command_says_all_that_differs(tmp_path: Path) -> None:
    scoring = Scoring(3, -2, -4, -1, "zero")
    options = Options("geometry", scoring, partial=1, normalization="mean", max_params=10**9)
    outcome = compute(nasty_zoo(), options, with_variants=False)
    write_all(outcome, tmp_path, models=["a*", "b c"], figures=False)
    content = alignment_content(tmp_path)
    words = shlex.split(content.facts["again"])
    assert words[:4] == ["nasneurn", "align", "--models", "a*,b c"]
    told = dict(zip(words[4:-2:2], words[5:-2:2], strict=True))
    assert told == {
        "--scheme": "geometry", "--match": "3", "--gap": "-4", "--gap-extend": "-1",
        "--borders": "zero", "--partial": "1", "--normalize": "mean", "--max-params": "1000000000",
    }  # fmt: skip
    assert [line[0] for line in table(content, "architectures").lines[1:]] == NAMES


scores = st.builds(
    Scoring,
    st.integers(1, 5),
    st.integers(-4, 0),
    st.integers(-6, -3),
    st.sampled_from([None, -3, -2, -1]),
    st.sampled_from(["classic", "zero"]),
)


@given(
    st.builds(
        Options,
        st.sampled_from(["block", "published", "layer"]),
        scores | st.sampled_from([one.scoring for one in PRESETS.values()]),
        normalization=st.sampled_from(["range", "mean"]),
        representatives=st.none() | st.integers(1, 40),
        within=st.floats(0, 2),
    ),
    st.sampled_from(sorted(PRESETS)),
)
def test_a_preset_and_changes_are_the_options_again(options: Options, usual: str) -> None:
    preset, changes = nearest_preset(options.plain(), usual)
    made = preset_options(preset, changes)
    assert made.title() == options.title()
    assert made.plain() | {"gap_extend": 0} == options.plain() | {"gap_extend": 0}
    assert options.plain() != PRESETS[usual].plain() or (preset, changes) == (usual, {})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"models": 3}, "models or options are missing"),
        ({"options": None}, "models or options are missing"),
        ({"options": {"scheme": "blok"}}, "did you mean block"),
        ({"options": {"scheme": ["block"]}}, "not the options of an alignment"),
        ({"options": {"colour": 1}}, "unknown option"),
        ({"options": {"match": "much"}}, "not the options of an alignment"),
        ({"options": {"within": "far"}}, "not the options of an alignment"),
        ({"kind": "alignment"}, "kind is 'alignment'"),
    ],
)
def test_a_damaged_configuration_is_told(
    change: dict[str, Any],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    content = yaml.safe_load((ALIGN / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content | change))
    assert told in refusal(monkeypatch, capfd, "report", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml"}


def test_what_is_no_png_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "al"
    shutil.copytree(ALIGN, folder)
    (folder / "heatmap.png").write_bytes(b"<svg/>")
    line = refusal(monkeypatch, capfd, "report", str(folder))
    assert line.endswith("heatmap.png: is no PNG file; remove it, or draw the figures again")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names are text")
@pytest.mark.parametrize("format", FORMATS)
def test_names_and_values_that_are_no_text(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, page = tmp_path / "al-\udcff", tmp_path / f"page.{format}"
    shutil.copytree(ALIGN, folder)
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("python: ", 'python: "\\ud800" # '))
    assert run_command(monkeypatch, "report", folder, "--format", format, "--out", page) == 0
    shown = page.read_bytes().decode("utf-8")
    assert "al-" in shown
    assert format == "tex" or "udcff" in shown


@pytest.mark.slow
def test_beside_a_study_in_a_browser(tmp_path: Path) -> None:
    path, contents = report([ALIGN, ROOT / "results" / "vgg19"], out=tmp_path / "both.html")
    assert [content.suite for content in contents] == ["", "digits"]
    assert "different suites" not in path.read_text(encoding="utf-8")
    with chromium() as browser:
        page, wrong = opened(browser, path, 390, 844)
        assert page.locator("img[data-name=heatmap]").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert serious_faults(page, also=("landmark-unique",)) == []
        assert wrong == []
