"""The folder of an alignment: what is in it, and what is taken away."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from nasty_names import NAMES, nasty_zoo

from alignment import AlignmentError, Options, Scoring, compute
from alignment.outcome import Alignment
from alignment.outputs import prepare_folder
from alignment.page import map_page
from alignment.presets import preset_options
from alignment.report import write_all


def aligned(count: int = 11, **options: object) -> Alignment:
    return compute(nasty_zoo(200)[:count], Options(**options), with_variants=False)


def held(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_no_file_of_another_alignment_is_left(tmp_path: Path) -> None:
    mine = ["notes.txt", "my.csv", "heatmap.eps", "accuracy.csv"]
    for name in mine:
        (tmp_path / name).write_text("before")
    (tmp_path / "published").mkdir()
    write_all(aligned(2), tmp_path, figures=False)
    for name in ("published.csv", "map.html", "tree.svg", "captions.txt"):
        (tmp_path / name).write_text("before")
    for outcome, figures in (
        (aligned(), True),
        (aligned(180), True),
        (aligned(3), False),
        (aligned(1), True),
    ):
        written = write_all(outcome, tmp_path, figures=figures)
        assert held(tmp_path) == {path.name for path in written} | {*mine, "published"}
    assert all((tmp_path / name).read_text() == "before" for name in mine)


@pytest.mark.parametrize("name", ["null.csv", "map.html", "captions.txt", "scores.csv"])
def test_files_of_others_stay_as_they_are(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(AlignmentError, match=f"holds {name}, which no alignment wrote; choose an"):
        write_all(aligned(2), tmp_path, figures=False)
    assert held(tmp_path) == {name}
    assert (tmp_path / name).read_text() == "mine"


def test_the_configuration_says_all(tmp_path: Path) -> None:
    scoring = Scoring(3, -2, -4, -1, "zero")
    options = Options(
        "geometry", scoring, partial=1, representatives=2, max_params=np.int64(10), threads=2
    )
    outcome = compute(nasty_zoo(), options, with_variants=False)
    write_all(outcome, tmp_path, models=["all", "$x"], order="published")
    content = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert content["kind"] == "align"
    assert content["models"] == ["all", "$x"]
    assert content["order"] == "published"
    assert {"nasneurn", "timm", "torch", "numpy", "python"} <= set(content["environment"])
    # They are the options by name, and make the same ones again.
    assert preset_options("paper", {**content["options"], "threads": 2}).title() == options.title()
    assert preset_options("recommended", {**content["options"], "threads": 2}) == options
    write_all(outcome, tmp_path, figures=False)
    content = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert content["models"] == NAMES
    assert "order" not in content


@pytest.mark.slow
def test_an_alignment_that_did_not_end_says_only_whose_folder_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(aligned(), tmp_path)

    def fail(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alignment.report.write_figures", fail)
    with pytest.raises(KeyboardInterrupt):
        write_all(aligned(3), tmp_path)
    assert (tmp_path / "config.yaml").read_text() == "kind: align\n"
    monkeypatch.undo()
    written = write_all(aligned(3), tmp_path)
    assert held(tmp_path) == {path.name for path in written}
    monkeypatch.undo()
    written = write_all(aligned(3), tmp_path)
    assert held(tmp_path) == {path.name for path in written}


def test_figures_are_drawn_again_only_where_something_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Path] = []

    def draw(
        outcome: Alignment, folder: Path, figure_format: str, **_options: object
    ) -> list[Path]:
        """In place of pictures, whose drawing takes seconds."""
        kinds = dict.fromkeys(("png", figure_format))
        paths = [folder / f"{name}.{kind}" for name in ("heatmap", "tree") for kind in kinds]
        for path in paths:
            path.write_text(f"of {len(outcome)}")
        drawn.extend(paths[:1])
        return paths

    monkeypatch.setattr("alignment.report.write_figures", draw)

    def times(outcome: Alignment, **options: Any) -> int:
        before = len(drawn)
        written = write_all(outcome, tmp_path, **options)
        assert held(tmp_path) == {path.name for path in written}
        assert (tmp_path / "heatmap.png").read_text() == f"of {len(outcome)}"
        return len(drawn) - before

    assert [times(aligned()), times(aligned())] == [1, 0]
    # Other options, another order, other networks, other tables, a figure that is gone.
    assert times(aligned(scheme="layer")) == 1
    assert [times(aligned(scheme="layer"), order="published") for _ in range(2)] == [1, 0]
    assert times(aligned()) == 1
    assert [times(aligned(10)), times(aligned()), times(aligned())] == [1, 1, 0]
    (tmp_path / "tokens.csv").write_text("edited")
    assert [times(aligned()), times(aligned())] == [1, 0]
    (tmp_path / "tree.png").unlink()
    assert [times(aligned()), times(aligned())] == [1, 0]
    (tmp_path / "heatmap.png").write_bytes(b"half")
    assert [times(aligned()), times(aligned())] == [1, 0]
    # A vector copy that is not there; with all of them, they are as good as the pictures alone.
    formats = ["pdf", "pdf", "svg", "png", "pdf"]
    assert [times(aligned(), figure_format=one) for one in formats] == [1, 0, 1, 0, 1]
    (tmp_path / "tree.pdf").unlink()
    assert [times(aligned(), figure_format="pdf") for _ in range(2)] == [1, 0]
    assert "tree.pdf" in held(tmp_path)
    assert times(aligned()) == 0
    assert "tree.pdf" not in held(tmp_path)
    # A configuration that cannot be trusted to be whole.
    for text in ("kind: align\n", "kind: align\nfigures: &a [*a]\n", "kind: align\nx: !!bool no"):
        (tmp_path / "config.yaml").write_text(text)
        assert [times(aligned()), times(aligned())] == [1, 0]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "begin"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_vector_copies_and_captions_lie_beside_the_figures(
    kind: str, begin: bytes, tmp_path: Path
) -> None:
    outcome, folder = aligned(3), tmp_path / "first"
    written = write_all(outcome, folder, figure_format=kind)
    pictures = [path for path in written if path.suffix == ".png"]
    assert len(pictures) > 1
    copies = [path.with_suffix(f".{kind}") for path in pictures]
    assert set(copies) <= set(written)
    assert all(path.read_bytes().startswith(begin) for path in copies)
    lines = (folder / "captions.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(line.partition(": ")[0] for line in lines) == [
        one.name for one in sorted(pictures)
    ]
    assert all(len(line.partition(": ")[2]) > 20 for line in lines)
    # The same figure is the same file.
    write_all(outcome, tmp_path / "second", figure_format=kind)
    assert all(
        path.read_bytes() == (tmp_path / "second" / path.name).read_bytes() for path in copies
    )


def test_an_unknown_format_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        AlignmentError, match="unknown figure format 'gif'; choose of png, pdf, svg"
    ):
        write_all(aligned(3), tmp_path / "none", figure_format="gif")
    assert held(tmp_path) == set()


@pytest.mark.parametrize("content", ["kind: bench\n", "- 1\n", "{", "kind: [align]"])
def test_results_of_another_kind_are_left_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(content)
    for begin in (prepare_folder, lambda folder: write_all(aligned(), folder)):
        with pytest.raises(AlignmentError, match="not align; choose another --out"):
            begin(tmp_path)
    assert held(tmp_path) == {"config.yaml"}
    assert (tmp_path / "config.yaml").read_text() == content


def test_nasty_names_in_tables(tmp_path: Path) -> None:
    write_all(aligned(), tmp_path, figures=False)
    for name, place in (("scores", 0), ("similarity", 0), ("tokens", 0), ("representatives", 6)):
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        assert sorted(row[place] for row in rows) == sorted(NAMES)


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts.append(data)


def test_nasty_names_in_the_page() -> None:
    outcome = aligned()
    page = map_page(outcome, np.random.default_rng(0).normal(size=(len(outcome), 2)))
    reader = _Scripts()
    reader.feed(page)
    (script,) = reader.scripts
    # What would begin a comment or end the element is nowhere: not even in a string.
    assert "<!--" not in page
    assert page.count("</script") == 1
    start = script.index("const data = ") + len("const data = ")
    payload = script[start : script.index(";\n", start)]
    assert not set("<>&") & set(payload)
    data = json.loads(payload)
    assert [one["n"] for one in data["models"]] == NAMES
    assert {one["name"] for one in data["families"]} == set(outcome.tokenized.families)


def test_the_opposite_of_all_is_no_neighbour_of_its_own() -> None:
    """Correlations reach -1, and the page then still names others."""
    outcome = aligned(4, similarity="correlation")
    page = map_page(outcome, np.zeros((4, 2)))
    data = json.loads(page.split("const data = ")[1].split(";\n")[0])
    for place, model in enumerate(data["models"]):
        assert [other for other, _ in model["a"]].count(place) == 0
