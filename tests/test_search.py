"""A search from end to end, on a budget of seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_search
import torch
import yaml
from killing import SEEDS, kill_two_at_random, kill_when, units_done
from one_thread import one_thread
from PIL import Image
from tiny_bench import tiny_config as tiny_bench_config
from tiny_search import CHANGES, JOINT, MINUTE, TINY_SPOS, same_search, tiny_config

from nasneurn.api import read_config, search_run
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.networks.build import create_network
from nasneurn.networks.names import resolve_architectures
from nasneurn.report.remake import remake
from nasneurn.search import supernet_work
from nasneurn.search.candidates import calibration_batches, supernet_path
from nasneurn.search.scores import Scores
from nasneurn.search.search_checks import check_supernet
from nasneurn.search.search_config import SearchConfig
from nasneurn.search.stem_choices import STEM_CANDIDATES, parse_search_stems, short_forms
from nasneurn.search.supernet_budgets import space_budget
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.units import Place
from search_spaces.errors import SpaceError
from search_spaces.spos import SPOS
from search_spaces.supernet import load_weights

SCRIPT = Path(__file__).with_name("tiny_search.py")
KINDS: dict[str, dict[str, Any]] = {"plain": {}, "joint": JOINT}


def run(config: SearchConfig, out: Path, **options: Any) -> Study:
    extend = options.pop("extend", False)
    return StudyRun(config, out, Execution(device="cpu", **options), extend=extend).run()


def run_whole(kind: str, out: Path) -> Study:
    subprocess.run([sys.executable, str(SCRIPT), str(out), kind], check=True)
    return Study(out)


def run_here(kind: str, out: Path, seeds: str = "1") -> Study:
    """The same in this process."""
    with one_thread():
        return run(tiny_config(**KINDS[kind], seeds=[seeds]), out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A search that was never interrupted, in a process of its own."""
    study = run_whole("plain", tmp_path_factory.mktemp("finished") / "out")
    remake(study)
    return study


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The same of the AutoFormer space with its stem, every option taken."""
    return run_whole("joint", tmp_path_factory.mktemp("joint") / "out")


def test_outputs_are_whole(finished: Study) -> None:
    rows, candidates = finished.accuracy, finished.evolution
    assert list(rows["target"]) == list(load_suite("builtin").domains)
    assert rows["accuracy"].between(0, 1).all()
    assert set(rows["architecture"]) == {"spos/optdigits-neurn-0"}
    assert set(rows["weights"]) == {"inherited"}
    assert len(candidates) == CHANGES["supernet.population"] * CHANGES["supernet.generations"]
    assert candidates["choices"].is_unique
    (found,) = finished.found
    best = candidates["held_out_accuracy"].max()
    assert found.held_out_accuracy == best
    tied = candidates[candidates["held_out_accuracy"] == best]
    assert found.flops == tied["flops"].min()
    assert set(rows["choices"]) == {"-".join(found.choices.values())}
    figures = list((finished.folder / "figures").glob("*.png"))
    assert {"search.png", "hypervolume.png", "architecture.png"} <= {one.name for one in figures}
    for figure in figures:
        assert figure.read_bytes().startswith(b"\x89PNG")
    assert read_config(finished.config_path) == tiny_config()


def test_rows_of_a_search_and_of_a_grid_are_one_table(finished: Study, tmp_path: Path) -> None:
    config = tiny_bench_config(stems=["none"], changes={"epochs": 1})
    grid = StudyRun(config, tmp_path, Execution(device="cpu")).run()
    both = pd.concat([finished.accuracy, grid.accuracy], ignore_index=True)
    assert list(both.columns) == list(grid.accuracy.columns)
    assert not both.drop(columns="mix_weight").isna().any().any()
    assert not (both.astype(str) == "").any().any()


MOMENTS = ("supernet", "evolution")


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment_it_ends_in_the_same_rows(
    kind: str, moment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole: Study = request.getfixturevalue("finished" if kind == "plain" else kind)
    out = tmp_path / "out"
    (supernet,) = tiny_config(**KINDS[kind]).supernets()
    state = out / "state" / supernet.identity
    checkpoint, scores = state / "supernet" / "training.ckpt", state / "scores.jsonl"
    moments = {
        "supernet": checkpoint.exists,
        "evolution": lambda: scores.exists() and scores.read_text().count("\n") >= 5,
    }
    kill_when([sys.executable, str(SCRIPT), str(out), kind], moments[moment])
    assert not (out / "architecture.json").exists()
    same_search(run_here(kind, out), whole)


@pytest.mark.slow
def test_two_processes_killed_at_random_do_each_unit_once(tmp_path: Path) -> None:
    out, seeds = tmp_path / "out", str(SEEDS)
    kill_two_at_random(tiny_search.run, (str(out), "plain", seeds), out, seed=1)
    same_search(run_here("plain", out, seeds), run_here("plain", tmp_path / "whole", seeds))
    done = units_done(out)
    # Supernets, and the trainings of what they found.
    assert len(done) == len(set(done)) == 2 * SEEDS


def test_a_joint_search_finds_the_stem_too(joint: Study) -> None:
    (found,) = joint.found
    assert found.stem in STEM_CANDIDATES
    rows, candidates = joint.accuracy, joint.evolution
    assert set(rows["stem"]) == {"search"}
    assert set(rows["applied_stem"]) == {str(found.stem)}
    assert candidates["choices"].str.split("-").str[0].nunique() > 1
    by_rank = ["held_out_accuracy", "flops"]
    best = candidates.sort_values(by_rank, ascending=[False, True]).iloc[0]
    assert found.held_out_accuracy == best["held_out_accuracy"]
    assert found.flops == best["flops"]
    assert found.selected_under == "shifts"


@pytest.mark.slow
def test_interrupted_it_says_how_to_continue(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "nasneurn", "search", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list((out / "state").glob("*/supernet/nni")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-1] == (
        "nasneurn: interrupted; run the same command again to continue"
    )
    assert "Traceback" not in told


def test_a_finished_search_is_not_run_again(finished: Study) -> None:
    before = finished.accuracy
    (store,) = (finished.folder / "store").glob("*.jsonl")
    content = store.read_bytes()
    again = run(tiny_config(), finished.folder)
    pd.testing.assert_frame_equal(again.accuracy, before)
    assert store.read_bytes() == content


def test_another_search_in_the_same_folder_is_refused(finished: Study) -> None:
    with pytest.raises(InputError, match=r"seeds: \[0\] -> \[0, 1\]"):
        run(tiny_config(seeds=["2"]), finished.folder)
    with pytest.raises(InputError, match="holds a search, not a bench"):
        StudyRun(tiny_bench_config(), finished.folder, Execution(device="cpu"))


def test_inherited_weights_are_those_of_the_supernet(finished: Study) -> None:
    """The winner as a plain network, its weights read from the folder, without NNI's machinery."""
    from safetensors.torch import load_file

    from nasneurn.studies.inputs import standardized_stem, test_images
    from nasneurn.training.evaluation import accuracy

    (found,) = finished.found
    (architecture,) = resolve_architectures([str(finished.found_path)])
    network, _ = create_network(architecture, 10, 32)
    network.load_state_dict(load_file(finished.folder / "found" / f"{found.supernet}.safetensors"))
    config = tiny_config()
    suite, cpu = load_suite("builtin"), torch.device("cpu")
    stem = standardized_stem(found.stem, suite, ("optdigits",), config.protocol, cpu)
    whole = torch.nn.Sequential(stem, network).eval()
    street = accuracy(whole, test_images(suite, "street", "test", cpu))
    assert street == finished.accuracy.set_index("target").loc["street", "accuracy"]


@pytest.mark.slow
def test_compare_pairs_the_stems_and_trains_from_scratch_too(tmp_path: Path) -> None:
    whole = run(tiny_config(stems=["none"], changes=MINUTE), tmp_path / "out").accuracy
    compared = tiny_config(stems=["none,neurn"], weights=["inherited", "scratch"], changes=MINUTE)
    study = run(compared, tmp_path / "out", extend=True)
    rows = study.accuracy
    assert rows.groupby(["stem", "weights"]).size().tolist() == [4, 4, 4, 4]
    # The pair starts from the same first generation, drawn from the same seed.
    names = study.evolution.groupby("stem")["choices"].apply(list)
    assert names["none"] == names["neurn"]
    # Growing by a stem and by weights keeps what there is.
    kept = rows[(rows["stem"] == "none") & (rows["weights"] == "inherited")]
    # But for the type of a column that holds whole seconds alone without the others.
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), whole, check_dtype=False)


@pytest.mark.slow
def test_a_failing_supernet_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = supernet_work.train_supernet

    def train(space: Any, *rest: Any, **options: Any) -> Any:
        if "neurn" in str(space.stem).lower():
            raise RuntimeError("the supernet broke")
        return real(space, *rest, **options)

    monkeypatch.setattr(supernet_work, "train_supernet", train)
    config = tiny_config(stems=["none,neurn"], changes=MINUTE)
    study = run(config, tmp_path / "out")
    assert set(study.accuracy["stem"]) == {"none"}
    assert study.failures["architecture"].tolist() == ["spos supernet"]
    (record,) = study.store.outcomes().failed.values()
    assert "the supernet broke" in record["details"]
    monkeypatch.undo()
    again = run(config, tmp_path / "out", retry_failed=True)
    assert set(again.accuracy["stem"]) == {"none", "neurn"}


@pytest.mark.slow
@pytest.mark.parametrize("space", ["spos:width=0.25,blocks=[1,1,1,1]", "autoformer:patch_size=8"])
def test_training_in_bf16(tmp_path: Path, space: str) -> None:
    changes = {**MINUTE, "supernet.population": 2}
    weights = []
    for precision in ("bf16", "32"):
        config = tiny_config(space=space, precision=precision, changes=changes)
        study = run(config, tmp_path / precision)
        (supernet,) = config.supernets()
        place = Place(load_suite("builtin").handle, study.folder)
        weights.append(load_weights(supernet_path(supernet, place), supernet.identity))
    half, full = weights
    assert all(weight.dtype != torch.bfloat16 for weight in half.values())  # mixed, not pure
    assert any(not torch.equal(half[key], full[key]) for key in half)


@pytest.mark.slow
def test_limits_hold_for_every_candidate(tmp_path: Path) -> None:
    limit = 1_250_000
    changes = {**MINUTE, "supernet.steps": 2, "supernet.generations": 2}
    study = run(tiny_config(max_flops=limit, changes=changes), tmp_path / "out")
    assert study.evolution["flops"].max() <= limit


def test_a_torn_line_of_scores_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text('["k3", 0.5]\n["k5", 0.')
    scores = Scores(path)
    assert scores == {"k3": 0.5}
    scores.add("k7", 0.25)
    assert Scores(path) == {"k3": 0.5, "k7": 0.25}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"changes": {"supernet.step": 7}}, "did you mean 'steps'"),
        ({"changes": {"population": 7}}, "say --set supernet.population"),
        ({"changes": {"supernet.steps": "none"}}, "supernet: steps is 'none'"),
        ({"changes": {"supernet.ema": 1.5}}, "ema is 1.5"),
        ({"space": "darts"}, "space is 'darts', must be one of spos"),
        ({"space": ":X"}, "cannot be imported"),
        ({"space": "own_spaces:NotASpace"}, "is no class of nni"),
        ({"stems": ["neurm"]}, "did you mean 'neurn'"),
        ({"objective": "speed"}, "objective is 'speed'"),
        ({"space": "spos:num_classes=20"}, "num_classes of space 'spos' is 20, must be 10"),
        ({"space": "spos:image_size=128"}, "image_size of space 'spos' is 128, must be 32"),
        ({"weights": ["borrowed"]}, "weights"),
    ],
)
def test_options_that_cannot_be_used_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        tiny_config(**options)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_flops": 5}, "the smallest of the space has"),
        ({"space": "spos:width=-1"}, "width"),
        ({"space": "spos:blocks=[0,0,0,0]"}, "blocks"),
        ({"space": "spos:dropout=7"}, "dropout"),
        ({"space": "spos:depth=7"}, "depth"),
        ({"space": "autoformer:patch_size=0"}, "patch_size"),
        ({"space": "own_spaces:OneChoice"}, "no choice of two or more"),
        ({"space": "own_spaces:Failing"}, "own_spaces|does not pass|cannot be"),
        ({"changes": {"supernet.sampling": "sandwich"}}, "accumulate is 1"),
        ({"changes": {"batch_size": 5000}}, "batch_size 5000 is larger"),
        ({"changes": {"supernet.batch_size": 5000}}, "supernet.batch_size 5000 is larger"),
        (
            {
                "space": JOINT["space"],
                "weights": ["inherited", "scratch"],
                "algorithms": ["erm", "mixstyle"],
            },
            "space 'autoformer': algorithm 'mixstyle': the .* has no stage",
        ),
    ],
)
def test_what_cannot_run_is_told_before_the_first_supernet(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises((InputError, SpaceError), match=told) as error:
        run(tiny_config(**options), tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"changes": {"steps": 5}},
            "'steps' changes nothing.* say supernet.steps, or say --weights",
        ),
        ({"changes": {"epochs": 5}}, "'epochs' changes nothing.* trained; say --weights"),
        ({"algorithms": "randconv"}, "algorithms are randconv, and none is used"),
    ],
)
def test_what_would_change_no_row_is_refused(
    options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    def planned(**more: Any) -> StudyConfig:
        return search_run(TINY_SPOS, out=tmp_path, **{**options, **more}).config

    with pytest.raises(InputError, match=told) as error:
        planned()
    assert "\n" not in str(error.value)
    whole = planned(weights="inherited,scratch")
    if "algorithms" not in options:  # what is sampled is trained, and plainly
        assert planned(quality=2).kind == "search-quality"
    whole.write(tmp_path / "config.yaml", {})
    assert planned(extend=True) == whole  # whose winners start from scratch, too


@pytest.mark.slow
def test_a_space_of_other_classes_is_told_before_its_supernet_is_trained() -> None:
    (supernet,) = tiny_config().supernets()
    with pytest.raises(InputError, match=r"gives \(2, 10\) for two images, must give .* \(2, 7\)"):
        check_supernet(supernet, 7)


def test_batches_that_set_statistics_are_equal() -> None:
    (supernet,) = tiny_config(changes={"supernet.calibration_images": 520}).supernets()
    place = Place(load_suite("builtin").handle, Path())
    assert [len(one) for one in calibration_batches(supernet, place)] == [174, 173, 173]


def test_how_images_are_drawn_is_part_of_a_supernet() -> None:
    plain, drawn = (
        tiny_config(changes={"drawn": way}).supernets()[0] for way in ("random", "first")
    )
    assert plain.identity != drawn.identity


@pytest.mark.slow
def test_an_own_space_is_searched_benched_and_aligned(tmp_path: Path) -> None:
    """What is found in a user's space goes through all commands, once its code is trusted."""
    from nasneurn.networks.traced import gather

    config = tiny_config(
        space="own_spaces:Small", stems=["neurn"], changes=MINUTE, weights=["inherited", "scratch"]
    )
    study = run(config, tmp_path / "out")
    assert set(study.accuracy["architecture"]) == {"own_spaces:Small/optdigits-neurn-0"}
    assert set(study.accuracy["weights"]) == {"inherited", "scratch"}
    path = str(study.found_path)
    with pytest.raises(InputError, match="--trust-code"):
        resolve_architectures([path])
    with pytest.raises(InputError, match="--trust-code"):
        gather([path])
    (architecture,) = resolve_architectures([path], trust_code=True)
    network, _ = create_network(architecture, 3, 32)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    (traced,) = gather([path], trust_code=True)
    assert traced.name == "own_spaces:Small/optdigits-neurn-0"


def test_short_forms_of_the_stems() -> None:
    assert short_forms(neurn=None, compare=False, stems=[]) == ["neurn"]
    assert short_forms(neurn=True, compare=False, stems=[]) == ["neurn"]
    assert short_forms(neurn=False, compare=False, stems=[]) == ["none"]
    assert short_forms(neurn=None, compare=True, stems=[]) == ["none", "neurn"]
    assert short_forms(neurn=None, compare=False, stems=["none,search"]) == ["none,search"]
    with pytest.raises(InputError, match="--no-neurn"):
        short_forms(neurn=False, compare=True, stems=[])
    with pytest.raises(InputError, match="short for --stems"):
        short_forms(neurn=None, compare=True, stems=["none"])
    assert [str(one) for one in parse_search_stems(["none,neurn:k=3,search"])] == [
        "none", "neurn", "search",
    ]  # fmt: skip


def test_budgets_exist_for_every_space() -> None:
    for space in ("spos", "autoformer", "package.module:Own"):
        assert space_budget(space, "quick").supernet.steps < (
            space_budget(space, "paper").supernet.steps
        )
    with pytest.raises(InputError, match="did you mean 'quick'"):
        space_budget("spos", "quik")


def test_any_budget_of_trainings_is_one_of_a_search() -> None:
    for space in ("spos", "autoformer", "own:Space"):
        assert space_budget(space, "single-source-digits") == space_budget(space, "standard")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- a list", "holds no fields"),
        ("a: [", "not a readable configuration"),
        ("kind: search", "field required"),
        ("kind: dance", "kind is 'dance', must be one of bench"),
    ],
)
def test_a_configuration_that_cannot_be_read(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=told):
        read_config(path)


def test_space_of_the_record_can_be_built_alone(finished: Study) -> None:
    (found,) = finished.found
    network = SPOS(**found.settings).freeze(found.choices)
    assert sum(p.numel() for p in network.parameters()) == found.params


@pytest.mark.slow
def test_a_folder_of_images_is_searched_at_any_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for domain, class_name, number in product(("photo", "sketch"), ("cat", "dog"), range(24)):
        path = tmp_path / "root" / domain / class_name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    changes = {**MINUTE, "supernet.batch_size": 8, "batch_size": 8}
    config = tiny_config(
        suite=str(tmp_path / "root"), image_size=64, sources_named=["sketch"], changes=changes
    )
    study = run(config, tmp_path / "out")
    rows = study.accuracy.set_index("target")
    # All images of a domain that is no source; of the source, those held apart.
    assert rows.loc["photo", "n"] == 48
    assert rows.loc["sketch", "n"] == 10
    assert study.found[0].settings["num_classes"] == 2
    assert study.found[0].settings["image_size"] == 64


def test_a_configuration_runs_again(finished: Study, tmp_path: Path) -> None:
    content = yaml.safe_load(finished.config_path.read_text())
    assert content["environment"]["torch"] == version("torch")
    command = [sys.executable, "-m", "nasneurn", "search", "--config", str(finished.config_path)]
    where = ["--out", str(tmp_path / "again"), "--device", "cpu", "--json"]
    done = subprocess.run(
        [*command, *where],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    again = json.loads(done.stdout)
    assert pd.DataFrame(again["accuracy"])["accuracy"].tolist() == (
        finished.accuracy["accuracy"].tolist()
    )
    assert again["found"] == [one.model_dump(mode="json") for one in finished.found]
