"""The search from end to end, on a budget of seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from tiny_search import TINY, tiny_config

from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.search import BUDGETS, Outputs, SearchConfig, StemChoice, choose_stems, search
from nasneurn.search.config import SEARCHED, STEM_CANDIDATES
from nasneurn.search.outputs import Evaluations
from nasneurn.training import DeviceImages
from nasneurn.training.evaluation import accuracy
from search_spaces.spos import SPOS
from search_spaces.supernet import load_supernet, load_weights, subnet

SCRIPT = Path(__file__).with_name("tiny_search.py")
TABLES = ("accuracy.csv", "evolution.csv", "architecture.json")


def run_whole(kind: str, out: Path) -> Outputs:
    subprocess.run([sys.executable, str(SCRIPT), str(out), kind], check=True)
    return Outputs(out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """A search that was never interrupted, in a process of its own."""
    return run_whole("plain", tmp_path_factory.mktemp("finished") / "out")


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """The same of the AutoFormer space with its stem, every option taken."""
    return run_whole("joint", tmp_path_factory.mktemp("joint") / "out")


def kill_when(kind: str, out: Path, ready: Callable[[], bool]) -> None:
    """Run the search in a process of its own and kill it without warning at a moment."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(out), kind])
    try:
        deadline = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, "the search ended before the moment to kill it"
            assert time.monotonic() < deadline, "the moment to kill the search never came"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_outputs_are_whole(finished: Outputs) -> None:
    assert finished.complete
    rows, candidates = finished.accuracy(), finished.evolution()
    assert list(rows["target"]) == list(load_suite("builtin").domains)
    assert rows["accuracy"].between(0, 1).all()
    assert len(candidates) == TINY.population * TINY.generations
    assert candidates["architecture"].is_unique
    (found,) = finished.architectures()
    best = candidates["source_accuracy"].max()
    assert found["source_accuracy"] == best
    tied = candidates[candidates["source_accuracy"] == best]
    assert found["flops"] == tied["flops"].min()
    volumes = pd.read_csv(finished.hypervolume_path)["hypervolume"]
    assert volumes.is_monotonic_increasing
    figures = [path for path in finished.draw() if path.suffix == ".png"]
    assert len(figures) == 4
    for figure in figures:
        assert figure.read_bytes().startswith(b"\x89PNG")
    assert SearchConfig.read(finished.config_path) == tiny_config()


RUNS = {"plain": ("finished", "optdigits-neurn-0"), "joint": ("joint", "optdigits-search-0")}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(RUNS))
@pytest.mark.parametrize("moment", ["supernet", "evolution"])
def test_killed_at_a_moment_it_ends_in_the_same_rows(
    kind: str, moment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fixture, run = RUNS[kind]
    whole: Outputs = request.getfixturevalue(fixture)
    out = tmp_path / "out"
    state = out / "state" / run
    checkpoint, scores = state / "supernet" / "training.ckpt", state / "evaluations.jsonl"
    moments = {
        "supernet": checkpoint.exists,
        "evolution": lambda: scores.exists() and scores.read_text().count("\n") >= 5,
    }
    kill_when(kind, out, moments[moment])
    assert not (out / "accuracy.csv").exists()
    run_whole(kind, out)
    for name in TABLES:
        assert (out / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_joint_search_finds_the_stem_too(joint: Outputs) -> None:
    (found,) = joint.architectures()
    assert found["architecture"]["stem"] in STEM_CANDIDATES
    rows, candidates = joint.accuracy(), joint.evolution()
    assert set(rows["stem"]) == {"search"}
    assert set(rows["chosen_stem"]) == {found["architecture"]["stem"]}
    assert candidates["architecture"].str.split("-").str[0].nunique() > 1
    best = candidates.sort_values(["source_accuracy", "flops"], ascending=[False, True]).iloc[0]
    assert found["source_accuracy"] == best["source_accuracy"]
    assert found["flops"] == best["flops"]


@pytest.mark.slow
def test_interrupted_it_says_how_to_continue(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "nasneurn", "search", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (out / "state" / "optdigits-neurn-0" / "supernet" / "nni").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-1] == (
        "nasneurn: interrupted; run the same command again to continue"
    )
    assert "Traceback" not in told


def test_a_finished_search_is_not_run_again(finished: Outputs) -> None:
    before = finished.accuracy_path.stat().st_mtime_ns
    again = search(tiny_config(), finished.folder, device="cpu")
    assert again.accuracy_path.stat().st_mtime_ns == before


def test_another_search_in_the_same_folder_is_refused(finished: Outputs) -> None:
    with pytest.raises(InputError, match=r"seeds: \[0\] -> \[0, 1\]"):
        search(tiny_config(seeds=(0, 1)), finished.folder, device="cpu")


def test_the_saved_supernet_gives_the_accuracy_in_the_table(finished: Outputs) -> None:
    (found,) = finished.architectures()
    rows = finished.accuracy().set_index("target")
    from nasneurn.networks.spaces import SpaceChoice

    choice = SpaceChoice(
        found["space"], found["settings"], StemChoice.model_validate(found["stem"])
    )
    supernet = load_supernet(finished.supernet_path, found["run"], choice.build())
    network = subnet(supernet, found["architecture"])
    from nasneurn.search.run import all_work
    from search_spaces.supernet import recalibrate

    config = SearchConfig.read(finished.config_path)
    (work,) = all_work(config, finished, torch.device("cpu"), None)
    recalibrate(network, work.calibration_batches())
    test = DeviceImages.of(load_suite("builtin").load("street").test, torch.device("cpu"))
    assert accuracy(network, test) == rows.loc["street", "accuracy"]


def test_compare_pairs_the_stems_and_retrains(tmp_path: Path) -> None:
    config = tiny_config(
        stems=choose_stems(neurn=True, compare=True, stem=None),
        retrain=True,
        budget=TINY.model_copy(update={"steps": 4, "population": 3, "generations": 1}),
    )
    outputs = search(config, tmp_path / "out", device="cpu")
    rows = outputs.accuracy()
    assert rows.groupby(["stem", "weights"]).size().tolist() == [4, 4, 4, 4]
    # The pair starts from the same first generation, drawn from the same seed.
    names = outputs.evolution().groupby("stem")["architecture"].apply(list)
    assert names["none"] == names["neurn"]


@pytest.mark.parametrize("space", ["spos", "autoformer"])
def test_training_in_bf16(tmp_path: Path, space: str) -> None:
    changes = {"steps": 3, "population": 2, "generations": 1}
    if space == "autoformer":
        changes["settings"] = {"patch_size": 8}
    budget = TINY.model_copy(update=changes)
    config = tiny_config(space=space, precision="bf16", budget=budget)
    outputs = search(config, tmp_path / "out", device="cpu")
    weights = load_weights(outputs.supernet_path, "optdigits-neurn-0")
    assert all(weight.dtype != torch.bfloat16 for weight in weights.values())  # mixed, not pure
    full = search(tiny_config(space=space, budget=budget), tmp_path / "full", device="cpu")
    other = load_weights(full.supernet_path, "optdigits-neurn-0")
    changed = [key for key in weights if not torch.equal(weights[key], other[key])]
    assert changed


def test_limits_hold_for_every_candidate(tmp_path: Path) -> None:
    limit = 1_250_000
    config = tiny_config(
        max_flops=limit,
        budget=TINY.model_copy(update={"steps": 2, "population": 3, "generations": 2}),
    )
    outputs = search(config, tmp_path / "out", device="cpu")
    assert outputs.evolution()["flops"].max() <= limit


def test_a_torn_line_of_scores_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    path.write_text('["k3", 0.5]\n["k5", 0.')
    scores = Evaluations(path)
    assert scores == {"k3": 0.5}
    scores.add("k7", 0.25)
    assert Evaluations(path) == {"k3": 0.5, "k7": 0.25}


def test_fields_of_a_budget_can_be_changed() -> None:
    changed = BUDGETS["spos"]["quick"].changed(
        ["steps=7", "sampling=fair", "settings={width: 0.5}"]
    )
    assert (changed.steps, changed.sampling, changed.settings) == (7, "fair", {"width": 0.5})
    for change, told in (
        ("step=7", "did you mean 'steps'"),
        ("steps", "must be field=value"),
        ("steps=none", "budget: steps is 'none'"),
        ("ema=1.5", "ema is 1.5: Input should be less than 1"),
    ):
        with pytest.raises(InputError, match=told):
            BUDGETS["spos"]["quick"].changed([change])


def test_stems_of_the_options() -> None:
    assert [str(s) for s in choose_stems(neurn=True, compare=False, stem=None)] == ["neurn"]
    assert [str(s) for s in choose_stems(neurn=False, compare=False, stem=None)] == ["none"]
    both = choose_stems(neurn=True, compare=True, stem="neurn:k=5")
    assert both == (StemChoice(name="none"), StemChoice(name="neurn", options={"k": 5}))
    with pytest.raises(InputError, match="--no-neurn"):
        choose_stems(neurn=False, compare=True, stem=None)
    with pytest.raises(InputError, match="leaves nothing"):
        choose_stems(neurn=True, compare=True, stem="none")
    joint = choose_stems(neurn=True, compare=False, stem=None, search_stem=True)
    assert joint == (SEARCHED,)
    three = choose_stems(neurn=True, compare=True, stem="instance_norm", search_stem=True)
    assert [str(one) for one in three] == ["none", "instance_norm", "search"]
    with pytest.raises(InputError, match="--search-stem chooses the stem"):
        choose_stems(neurn=True, compare=False, stem="neurn", search_stem=True)
    with pytest.raises(InputError, match="must be option=value"):
        StemChoice.parse("neurn:k")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- a list", "the file: Input should be a valid dictionary"),
        ("a: [", "not a readable configuration"),
        ("space: spos", "suite: Field required"),
    ],
)
def test_a_configuration_that_cannot_be_read(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=told):
        SearchConfig.read(path)


def test_the_command_prints_json(finished: Outputs) -> None:
    content = yaml.safe_load(finished.config_path.read_text())
    assert content["environment"]["torch"] == version("torch")
    from nasneurn.report.search_table import search_json

    result = json.loads(json.dumps(search_json(finished)))
    assert pd.DataFrame(result["accuracy"]).equals(finished.accuracy())
    assert result["architectures"] == finished.architectures()


def test_space_of_the_record_can_be_built_alone(finished: Outputs) -> None:
    (found,) = finished.architectures()
    network = SPOS(**found["settings"]).freeze(found["architecture"])
    assert sum(p.numel() for p in network.parameters()) == found["params"]


def test_a_folder_of_images_is_searched_at_any_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for domain, class_name, number in product(("photo", "sketch"), ("cat", "dog"), range(24)):
        path = tmp_path / "root" / domain / class_name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    changes = {"steps": 3, "batch_size": 8, "population": 2, "generations": 1}
    config = tiny_config(
        suite=str(tmp_path / "root"),
        image_size=64,
        sources=("sketch",),
        budget=TINY.model_copy(update=changes),
    )
    outputs = search(config, tmp_path / "out", device="cpu")
    assert list(outputs.accuracy()["target"]) == ["photo", "sketch"]
    assert outputs.architectures()[0]["settings"]["num_classes"] == 2
    assert outputs.architectures()[0]["settings"]["image_size"] == 64


def test_a_configuration_runs_again(finished: Outputs, tmp_path: Path) -> None:
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
    assert again["architectures"] == finished.architectures()
    assert pd.DataFrame(again["accuracy"]).equals(finished.accuracy())
