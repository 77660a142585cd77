"""A folder study whose images change or domains go: refused, and nothing finished is lost."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pets
import pytest
import torch
from tiny_bench import USUAL

from nasneurn.cli.study_commands import figures_command
from nasneurn.domains import digits, listing, load_suite
from nasneurn.errors import InputError
from nasneurn.report import remake
from nasneurn.studies import inputs
from nasneurn.studies.bench_config import BenchConfig, plan_bench
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import Training
from nasneurn.training.protocol import BUDGETS

CHANGES = {"epochs": 1, "batch_size": 8, "train_images": None}


def planned(root: Path, **options: Any) -> BenchConfig:
    """Each domain as a source, as the same command plans it again."""
    pets.fresh(root)
    usual: dict[str, Any] = {
        **USUAL,
        "models": ["digits_convnet"],
        "stems": ["none"],
        "suite": str(root),
        "image_size": 16,
        "sources_named": ["all"],
        "changes": CHANGES,
    }
    return plan_bench(**{**usual, **options})


def run(config: BenchConfig, out: Path, **options: Any) -> StudyRun:
    return StudyRun(config, out, Execution(device="cpu"), **options)


def finish_all(study: Study, config: BenchConfig, units: slice = slice(None)) -> None:
    """Put rows into the store as trainings do, in no time."""
    for unit in config.units(Outcomes())[units]:
        assert isinstance(unit, Training)
        rows = [
            {**unit.columns, "suite": "pets", "target": target, "accuracy": 0.5, "n": 4}
            for target in unit.targets
        ]
        study.store.finish(unit.identity, {"accuracy": rows}, {"title": unit.title})


@pytest.fixture
def root(tmp_path: Path, fresh_cache: Path) -> Path:
    folder: Path = pets.make_pets(tmp_path / "pets")
    shutil.copytree(folder / "photo", folder / "clip")
    return folder


@pytest.fixture
def study(root: Path, tmp_path: Path) -> Study:
    """Run to the end: three trainings, measured on three domains."""
    config = planned(root)
    run(config, tmp_path / "out")._write_config()
    study = Study(tmp_path / "out")
    finish_all(study, config)
    run(config, study.folder).run()
    assert len(study.accuracy) == 9
    return study


def files_of(study: Study) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("extend", [False, True])
def test_an_image_that_is_gone_is_refused_and_nothing_is_written(
    study: Study, root: Path, extend: bool
) -> None:
    before = files_of(study)
    (root / "photo" / "cat" / "0.png").unlink()
    with pytest.raises(InputError, match=r"images of photo are not .*train:photo") as told:
        run(planned(root), study.folder, extend=extend)
    assert "clip" not in str(told.value)
    assert "(photo/cat/0.png; " in str(told.value)
    assert files_of(study) == before


def test_some_of_the_changed_images_are_named(study: Study, root: Path) -> None:
    names = [f"photo/cat/{name}" for name in ("0.png", "1.jpg", "2.JPEG")]
    for name in names:
        shutil.copy(root / "photo" / "dog" / "0.png", root / name)
    os.utime(root / "photo" / "cat" / "4.png")  # of another time, and the same
    shutil.copy(root / "photo" / "cat" / "3.bmp", root / "photo" / "cat" / "new.png")
    with pytest.raises(InputError, match=re.escape(f"({', '.join(names)} and 1 more; ")):
        run(planned(root), study.folder)
    # Of what no cache remembers, only the domain is known.
    for path in listing.cache_folder(root).glob("listing-*"):
        path.unlink()
    with pytest.raises(InputError, match=r"\(all:photo|\(train:photo"):
        run(planned(root), study.folder)


def test_all_domains_that_changed_are_named(study: Study, root: Path) -> None:
    for domain in ("photo", "sketch"):
        (root / domain / "cat" / "0.png").unlink()
    with pytest.raises(InputError, match="images of photo, sketch are not"):
        run(planned(root), study.folder)


@pytest.mark.parametrize("extend", [False, True])
def test_a_domain_that_is_gone_is_named_and_takes_no_other_with_it(
    study: Study, root: Path, extend: bool
) -> None:
    before = files_of(study)
    shutil.rmtree(root / "photo")
    with pytest.raises(InputError, match="domains that are gone: photo;"):
        run(planned(root), study.folder, extend=extend)
    assert files_of(study) == before


def test_a_path_in_other_words_and_another_order_of_targets_make_no_other_study(
    study: Study, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    targets = BenchConfig.read(study.config_path).targets
    for suite in (root.name, f"./{root.name}/", f"{root}/../{root.name}"):
        config = planned(root, suite=suite, targets=list(reversed(targets)))
        assert run(config, study.folder).left(study.store.outcomes()) == []


def test_another_suite_is_another_study_and_no_domain_that_is_gone(
    study: Study, tmp_path: Path
) -> None:
    other = pets.make_pets(tmp_path / "other")
    (other / "photo").rename(other / "drawing")
    with pytest.raises(InputError, match=r"holds another study \(suite: .*stems"):
        run(planned(other, stems=["sobel"]), study.folder)


def test_a_configuration_that_lost_its_domain_is_refused(study: Study, root: Path) -> None:
    config = BenchConfig.read(study.config_path)
    shutil.rmtree(root / "photo")
    shutil.rmtree(study.folder / "store")
    pets.fresh(root)
    with pytest.raises(InputError, match="domains that are gone: photo;"):
        run(config, study.folder).run()


def test_what_is_finished_is_shown_though_the_images_changed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, study = planned(root), Study(tmp_path / "out")
    run(config, study.folder)._write_config()
    finish_all(study, config, slice(0, 2))  # and killed before the tables
    (root / "photo" / "cat" / "0.png").unlink()
    with pytest.raises(InputError, match="`nasneurn figures` shows it"):
        run(planned(root), study.folder)
    monkeypatch.setattr(remake, "remake", lambda study, figure_format: [])
    figures_command(study.folder)
    assert len(study.accuracy) == 6


def test_results_without_their_configuration_are_not_written_over(study: Study, root: Path) -> None:
    (root / "photo" / "cat" / "0.png").unlink()
    study.config_path.unlink()
    before = files_of(study)
    with pytest.raises(InputError, match=r"no config.yaml, and its store 3 finished units"):
        run(planned(root), study.folder)
    assert files_of(study) == before


def test_a_lost_configuration_is_written_again(study: Study, root: Path) -> None:
    study.config_path.unlink()
    run(planned(root), study.folder).run()
    assert len(study.accuracy) == 9


def test_rows_of_no_planned_training_stay_in_sight(
    study: Study, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after an update that makes trainings others, or a configuration edited by hand."""
    config = BenchConfig.read(study.config_path)
    fewer = config.model_copy(update={"seeds": (7,)})
    study.gather(fewer, study.store.outcomes())
    assert study.accuracy.empty
    assert len((study.folder / "unplanned.csv").read_text().splitlines()) == 10
    assert "3 finished trainings are not of this study as it is now" in capsys.readouterr().err


def test_digits_that_were_replaced_are_what_the_next_study_of_a_process_sees(
    tmp_path: Path,
) -> None:
    suite = None
    for shade in (10, 200):
        for domain in digits.DOMAINS:
            for split in digits.SPLITS:
                arrays = {
                    "images": np.full((40, 8, 8), shade, np.uint8), "labels": np.arange(40) % 10,
                }  # fmt: skip
                np.savez(digits.pack_file(tmp_path, domain, split), **arrays)
        before, suite = suite, load_suite("digits", data_dir=tmp_path)
        assert suite is not before
        cpu, protocol = torch.device("cpu"), BUDGETS["quick"]
        seen = [
            inputs.test_images(suite, "usps", "test", cpu),
            inputs.source_images(suite, ("mnist",), protocol, cpu).fit,
        ]
        assert [round(float(one.pixels(np.arange(1)).max()) * 255) for one in seen] == [shade] * 2


def test_a_folder_is_named_also_where_it_is_the_one_at_hand(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert planned(Path()).suite_name == root.name
    monkeypatch.chdir(root / "photo")
    assert planned(Path("..")).suite_name == root.name
