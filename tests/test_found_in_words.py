"""What is printed of found networks says where they were found; files and commands name them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grid_rows import grid_rows, history_rows
from in_process import run_command
from matplotlib.text import Text
from tiny_search import tiny_config

from nasneurn.analysis.chance import chance_note
from nasneurn.choices import Choice
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.found import FoundArchitecture
from nasneurn.programs.shown import ShownStudy
from nasneurn.report.comparison_figures import draw_differences, draw_overall
from nasneurn.report.figures import in_words
from nasneurn.report.result import print_study, study_json
from nasneurn.report.study_content import study_content
from nasneurn.report.terminal import status_view
from nasneurn.rows import ACCURACY
from nasneurn.search.search_config import SearchConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.standing import standing
from nasneurn.studies.training_unit import Training

#: A name such as ``spos/mnist-neurn-0``.
RAW = re.compile(r"\w/[\w+]+-\w+-\d")


def found_of(config: SearchConfig, **fields: Any) -> FoundArchitecture:
    """What the first supernet of a search may find."""
    supernet = config.supernets()[0]
    usual = {
        "name": supernet.name, "space": supernet.space.space, "settings": supernet.space.settings,
        "choices": {"layer_1": "k3", "layer_2": "xcep"}, "stem": supernet.stem,
        "searched_stem": str(supernet.stem), "source": supernet.source, "seed": supernet.seed,
        "held_out_accuracy": 0.5, "supernet": supernet.identity,
    }  # fmt: skip
    return FoundArchitecture(**{**usual, **fields})


@pytest.fixture
def config() -> SearchConfig:
    return tiny_config(weights=["inherited,scratch"])


@pytest.fixture
def study(config: SearchConfig, tmp_path: Path) -> Study:
    """A search whose supernet is done, whose first training has rows, and whose second failed."""
    study = Study(tmp_path / "study")
    config.write(study.config_path, {})
    supernet = config.supernets()[0]
    record = found_of(config).model_dump(mode="json")
    study.store.finish(supernet.identity, {"found": [record]}, {"title": supernet.title})
    first, second = config.units(study.store.outcomes())[1:]
    assert isinstance(first, Training)
    rows = [
        {**first.columns, "suite": "builtin", "target": target, "accuracy": 0.5, "n": 4}
        for target in first.targets
    ]
    study.store.finish(first.identity, {"accuracy": rows}, {"title": first.title})
    study.store.fail(second.identity, "ValueError: no", "", {"title": second.title})
    study.gather(config, study.store.outcomes())
    return study


@pytest.mark.slow
def test_the_last_lines_of_a_search_say_where_its_networks_were_found(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    print_study(study)
    *_, told, command, failed, _ = capsys.readouterr().out.splitlines()
    assert told.startswith("spos, found on optdigits, stem neurn, seed 0: k3-xcep, 0.0 M")
    assert not RAW.search(told)
    assert command.endswith(f"nasneurn bench --models '{study.found_path}#spos/optdigits-neurn-0'")
    assert failed.startswith("1 failed: ")
    # Data keep the name.
    content = json.loads(study_json(study))
    assert content["found"][0]["name"] == "spos/optdigits-neurn-0"
    assert set(study.accuracy["architecture"]) == {"spos/optdigits-neurn-0"}


def test_the_status_of_a_search_says_so_too(
    study: Study,
    config: SearchConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = standing(study, config)
    assert now.kinds == {"spos supernet": (1, 1, 0), "spos": (2, 1, 1)}
    assert status_view(now)
    assert run_command(monkeypatch, "status", study.folder) == 0
    told = capsys.readouterr().out
    assert "failed: spos, found on optdigits, stem neurn, seed 0: ValueError: no" in told
    assert not RAW.search(told.replace(str(study.folder), ""))


def test_a_report_says_so_too(study: Study, config: SearchConfig) -> None:
    content = study_content(study, config, figures=False)
    assert content.facts["networks"] == "spos, found on optdigits, stem neurn, seed 0"
    assert not RAW.search(" ".join([*content.missing, *content.headline]))


@pytest.mark.parametrize(
    ("changed", "title"),
    [
        ({"weights": "inherited"}, "spos, found on optdigits, stem neurn, seed 0; inherited"),
        ({}, "spos, found on optdigits, stem neurn, seed 0"),
        (
            {"seed": 3, "stem": Choice(name="none"), "weights": "inherited"},
            "spos, found on optdigits, stem neurn, seed 0; inherited, none, optdigits, seed 3",
        ),
        (
            {"placement": "mix", "algorithm": Choice(name="coral")},
            "spos, found on optdigits, stem neurn, seed 0; neurn mix, coral, optdigits, seed 0",
        ),
    ],
)
def test_the_title_of_a_training_says_once_what_it_shares_with_the_search(
    changed: dict[str, Any], title: str, study: Study, config: SearchConfig
) -> None:
    own = config.units(study.store.outcomes())[2]
    assert isinstance(own, Training)
    assert own.model_copy(update=changed).title == title


def test_one_that_no_search_is_known_of_keeps_its_name(study: Study, config: SearchConfig) -> None:
    one = found_of(config, name="spos/sample-1", source="")
    assert one.words == "spos/sample-1"
    own = config.units(study.store.outcomes())[2]
    assert isinstance(own, Training)
    bare = Architecture(name=one.name, library="found", found=one)
    title = own.model_copy(update={"architecture": bare}).title
    assert title == "spos/sample-1, neurn, optdigits, seed 0"


def test_a_caution_names_the_space() -> None:
    rows = grid_rows(("spos",), ("none", "neurn"), seeds=2, sources=("mnist",))
    rows["architecture"] = [
        f"spos/{source}-{stem}-{seed}"
        for source, stem, seed in rows[["source", "stem", "seed"]].itertuples(index=False)
    ]
    told = chance_note(rows.assign(accuracy=0.11))
    assert told.endswith("4 of 4 trainings (mnist, none: 11.0%; mnist, neurn: 11.0%)")


def test_figures_of_a_study_that_trains_found_networks_say_so_too(
    config: SearchConfig, tmp_path: Path
) -> None:
    one = found_of(config)
    network = Architecture(name=one.name, library="found", found=one).model_dump(mode="json")
    study = ShownStudy(tmp_path / "bench")
    study.folder.mkdir()
    rows = grid_rows((one.name, "resnet18"), seeds=2).assign(training="x", protocol="x")
    rows = rows.assign(applied_stem=rows["stem"], scaling="x", choices="x", n=100)
    rows.reindex(columns=list(ACCURACY)).to_csv(study.table_path("accuracy"), index=False)
    history = history_rows(rows).assign(training="x", seconds=1.0)
    history.to_csv(study.table_path("history"), index=False)
    study.config_path.write_text(yaml.safe_dump({"further": [{"architectures": [network]}, 3]}))
    words = "spos, found on optdigits, stem neurn, seed 0"
    assert study.words == {one.name: words}
    drawn = [study.plot_gains(), study.plot_curves()]
    named = in_words(rows, study.words)
    drawn += [draw(named) for draw in (draw_differences, draw_overall)]
    for figure in drawn:
        told = [text.get_text() for text in figure.findobj(Text)]
        assert any(words in text.replace("\n", " ") for text in told)
        assert not any(RAW.search(text) for text in told)
