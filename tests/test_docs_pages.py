"""README, tutorial and how-to pages, done as a reader would do them, on a tiny budget."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import typer
from page_blocks import ROOT, Block, blocks, commands, follow
from tiny_budgets import make_tiny

from nasneurn import cli

DOCS = ROOT / "docs"
#: The pages whose blocks are followed; those of ``python.md`` are followed by test_load_model.
FOLLOWED = ["first-study", "your-own", "search"]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a reader's own, in which Python looks for modules, too."""
    make_tiny(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.slow
def test_the_first_study(
    reader: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = follow(DOCS / "tutorial" / "first-study.md", monkeypatch)
    assert "optdigits-m" in capsys.readouterr().out
    assert (reader / "domains.png").is_file()
    assert (reader / "results" / "first" / "report.html").is_file()
    study = names["study"]
    assert len(study.accuracy) == 2 * 4 * 3  # seeds, targets, stems
    assert set(study.stem_means().index) == {"none", "neurn", "instance_norm"}


@pytest.mark.slow
def test_your_own(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = follow(DOCS / "tutorial" / "your-own.md", monkeypatch)["study"]
    assert set(study.accuracy["architecture"]) == {"my_network:small_cnn"}
    assert set(study.accuracy["stem"]) == {"none", "neurn", "my_stem:Contrast:strength=2.0"}
    assert set(study.accuracy["target"]) == {"print", "street"}
    # The call from Python found all done: no training has a second record.
    assert study.accuracy.groupby(["source", "target", "stem", "seed"]).size().eq(1).all()
    lines = [line for file in study.folder.glob("store/*") for line in file.open()]
    assert len(lines) == study.accuracy["training"].nunique() == 12


@pytest.mark.slow
def test_a_search_and_its_network(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = follow(DOCS / "tutorial" / "search.md", monkeypatch)
    assert set(names["rows"]["architecture"]) > {"lcnet_050"}
    assert len(names["answers"]) == 4
    assert set(names["answers"]) <= set(names["model"].classes)
    assert names["path"].with_suffix(".md").is_file()
    assert names["program"].suffix == ".pt2"


@pytest.mark.slow
def test_an_own_network_with_weights(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(DOCS / "how-to" / "own-network.md", monkeypatch)
    rows = pd.read_csv(reader / "results" / "weights" / "accuracy.csv")
    starts = set(rows["weights"])
    assert len(starts) == 2
    assert any(start.startswith("mine") for start in starts)


@pytest.mark.slow
def test_the_readme_in_python(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (one for one in blocks(ROOT / "README.md") if one.language == "python")
    (reader / "page.md").write_text(f"```python\n{block.lines}```\n")
    study = follow(reader / "page.md", monkeypatch)["study"]
    assert study.folder == Path("results/first")
    assert study.accuracy["training"].nunique() == 4


def test_commands_are_read_as_a_shell_reads_them() -> None:
    lines = "nasneurn a --x 'b c' \\\n    --y d  # why\n\n# nothing\nnasneurn e\n"
    words = [["a", "--x", "b c", "--y", "d"], ["e"]]
    assert list(commands(Block("bash", "", lines))) == words
    with pytest.raises(AssertionError, match="rm is no command"):
        list(commands(Block("bash", "", "rm -r x\n")))


def test_no_page_of_the_tutorial_is_left_out() -> None:
    pages = {path.stem for path in (DOCS / "tutorial").glob("*.md")}
    assert pages == set(FOLLOWED)


def told_commands() -> list[tuple[str, list[str]]]:
    """Each command of nasneurn in a block of any page, with the page."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    return [
        (str(page.relative_to(ROOT)), shlex.split(line, comments=True)[1:])
        for page in pages
        for block in blocks(page)
        for line in block.lines.replace("\\\n", " ").splitlines()
        if line.startswith("nasneurn ")
    ]


@pytest.mark.slow
def test_all_pages_name_commands_and_options_that_there_are() -> None:
    commands = told_commands()
    assert len(commands) > 60
    for page, words in commands:
        command = typer.main.get_command(cli.app)
        while (inner := getattr(command, "commands", None)) and not words[0].startswith("--"):
            assert words[0] in inner, f"{page}: there is no command {words[0]}"
            command = inner[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert named <= known, f"{page}: {command.name} has no {named - known}"
