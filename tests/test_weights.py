"""Weights that trainings start from: files good and bad, pretrained ones, and fine-tuning."""

import hashlib
import json
import os
import socket
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import torch
from breaking_off import kill_at_step
from huggingface_hub import constants
from own_networks import SmallCNN, WithNorm
from pets import make_pets
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from nasneurn.analysis.cells import designs
from nasneurn.api import bench_run, run_config
from nasneurn.errors import InputError
from nasneurn.networks import resolve_architectures
from nasneurn.networks.names import resolve_with_tags
from nasneurn.networks.pretrained import known_tag, normalization
from nasneurn.networks.weight_files import classes_in, fitted, read_weights
from nasneurn.networks.weights import WeightsChoice, parse_weights
from nasneurn.programs.opened import done
from nasneurn.report.tables import tables
from nasneurn.studies import train
from nasneurn.studies.folder import Study
from nasneurn.studies.inputs import test_images as images_of
from nasneurn.studies.run import Execution
from nasneurn.studies.units import Place
from nasneurn.training.evaluation import accuracy
from nasneurn.training.protocol import BUDGETS, protocol_label

NAME = "own_networks:SmallCNN"
SMALL = {"epochs": 2, "batch_size": 4, "hold_out": 0.25, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two domains with two classes of ten images."""
    return make_pets(tmp_path_factory.mktemp("weights") / "pets")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network for ten classes."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(SmallCNN(10).state_dict(), path)
    return path


def small_bench(pets: Path, out: Path, **options: Any) -> Study:
    """Rows alone, without tables and figures."""
    return done(bench_run(**planned(pets, out, **options)))


def planned(pets: Path, out: Path, **options: Any) -> dict[str, Any]:
    changes = {**SMALL, **options.pop("changes", {})}
    saving = options.pop("save_weights", False)
    usual = {
        "models": NAME,
        "stems": "none",
        "suite": pets,
        "image_size": 16,
        "sources": "photo",
        "seeds": 1,
        "execution": Execution(device="cpu", save_weights=saving),
    }
    return {**usual, **options, "out": out, "changes": changes}


def refused(pets: Path, out: Path, **options: Any) -> str:
    """The one line that refuses a study, before anything of it is done."""
    with pytest.raises(InputError) as told:
        small_bench(pets, out, **options)
    assert not out.exists()
    assert "\n" not in str(told.value)
    return str(told.value)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model_state_dict": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {"state_dict": {f"_model.{k}": v for k, v in state.items()}},
        lambda state: {"state_dict": {f"model._orig_mod.{k}": v for k, v in state.items()}},
        lambda state: OrderedDict((f"1.{k}", v.half()) for k, v in state.items()),
    ],
)
def test_what_checkpoints_are_wrapped_in_is_taken_off(
    wrapped: Callable[[Any], Any], tmp_path: Path
) -> None:
    state = SmallCNN().state_dict()
    torch.save(wrapped(state), tmp_path / "one.pth")
    network = SmallCNN()
    found, fresh = fitted(read_weights(tmp_path / "one.pth"), network, ["head"], "not")
    network.load_state_dict(found)
    assert fresh == ()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=1e-3, atol=1e-4)


def test_a_network_whose_names_begin_with_a_prefix_keeps_it(tmp_path: Path) -> None:
    network = nn.Sequential(OrderedDict(model=SmallCNN()))
    found, _ = fitted(network.state_dict(), network, ["model.head"], "not")
    assert set(found) == set(network.state_dict())


def test_the_hash_is_of_the_content(tmp_path: Path, saved: Path) -> None:
    moved = tmp_path / "elsewhere" / "small.safetensors"
    moved.parent.mkdir()
    moved.write_bytes(saved.read_bytes())
    digest = hashlib.sha256(saved.read_bytes()).hexdigest()[:8]
    (one,), (other,) = parse_weights([str(saved)]), parse_weights([str(moved)])
    assert one.word == f"small@{digest}"
    assert one == other
    assert one.file != other.file
    assert parse_weights("scratch,pretrained,scratch") == (
        WeightsChoice(),
        WeightsChoice(word="pretrained"),
    )


class Hostile:
    """What runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        path, trap = tmp_path / "bad.pth", tmp_path / "trap"
        torch.save({"head.weight": Hostile(trap)}, path, **options)
        with pytest.raises(InputError, match=r"holds code or objects \(\w+\.mkdir\)") as told:
            read_weights(path)
        assert "\n" not in str(told.value)
        assert not trap.exists()


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no weights, and what is told of each."""
    state = SmallCNN().state_dict()
    found: dict[str, tuple[Path, str]] = {}
    for suffix, save in ((".safetensors", save_file), (".pth", torch.save)):
        whole = folder / f"whole{suffix}"
        save(state, whole)
        path = folder / f"cut{suffix}"
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        found[f"cut{suffix}"] = path, "it is cut off or"
        path = folder / f"picture{suffix}"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
        told = "is not read" if suffix == ".pth" else "neither a .safetensors"
        found[f"picture{suffix}"] = path, told
    for name, content, told in (
        ("list", [1, 2], "holds a list, must hold a state dict"),
        ("numbers", {"epoch": 3, "best": 0.5}, "holds no state dict, but epoch, best"),
        ("nothing", {}, "holds no state dict, but nothing"),
        ("nan", {"head.weight": torch.tensor([float("nan")])}, "head.weight holds values that"),
        ("module", SmallCNN(), "holds code or objects"),
        ("sparse", {"a": torch.eye(3).to_sparse()}, "a is sparse, complex or quantized"),
        ("complex", {"a": torch.eye(3) * 1j}, "a is sparse, complex or quantized"),
    ):
        torch.save(content, folder / f"{name}.pt")
        found[name] = folder / f"{name}.pt", told
    (folder / "empty.bin").touch()
    found["empty"] = folder / "empty.bin", "is empty"
    with (folder / "huge.bin").open("wb") as file:
        file.truncate(2**43)
    found["huge"] = folder / "huge.bin", "more than this machine's memory"
    (folder / "folder.pt").mkdir()
    found["folder"] = folder / "folder.pt", "is a folder"
    found["nowhere"] = folder / "nowhere.pt", "No such file"
    (folder / "weights.npz").write_bytes(b"PK")
    found["npz"] = folder / "weights.npz", "weights must be *.safetensors, *.pt"
    return found


def test_each_bad_file_is_one_line(tmp_path: Path) -> None:
    for path, told in bad_files(tmp_path).values():
        with pytest.raises(InputError) as error:
            read_weights(path)
        line = str(error.value)
        assert line.startswith(str(path))
        assert told in line
        assert "\n" not in line
        assert len(line) < 300 + len(str(path))


def test_weights_in_whole_numbers_are_refused(pets: Path, tmp_path: Path) -> None:
    state = {name: (100 * value).to(torch.int8) for name, value in SmallCNN().state_dict().items()}
    torch.save(state, tmp_path / "whole.pt")
    told = refused(pets, tmp_path / "out", weights=str(tmp_path / "whole.pt"))
    assert "holds torch.int8, must hold torch.float32" in told


def test_a_bad_file_is_told_before_the_first_training(pets: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    save_file(SmallCNN().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-10])
    assert "cut off" in refused(pets, tmp_path / "out", weights=str(path))


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("pretraind", "did you mean 'pretrained'?"),
        ("inherited", "in a search alone"),
        ("no/such.pth", "No such file"),
        ("", "no weights"),
    ],
)
def test_words_that_name_no_weights(word: str, told: str) -> None:
    with pytest.raises(InputError, match=told.replace("?", r"\?")):
        parse_weights(word)


# ---------------------------------------------------------------- into a network


def test_weights_of_another_architecture_name_what_is_missing(pets: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(models.squeezenet1_1(num_classes=2).state_dict(), path)
    told = refused(pets, tmp_path / "out", weights=str(path))
    assert f"{path}: not weights of {NAME}" in told
    assert "they lack features.0.weight" not in told  # both have it, of other shapes
    assert "they have features.3.squeeze.weight" in told
    assert "features.0.weight is (64, 3, 3, 3), must be (8, 3, 3, 3)" in told
    state = SmallCNN().state_dict()
    del state["features.0.bias"]
    save_file(state, tmp_path / "less.safetensors")
    told = refused(pets, tmp_path / "out", weights=str(tmp_path / "less.safetensors"))
    assert told.endswith("they lack features.0.bias")


def test_only_the_number_of_classes_makes_a_new_head() -> None:
    network = SmallCNN(num_classes=3)
    for given in (SmallCNN(num_classes=7), SmallCNN(num_classes=1)):
        found, fresh = fitted(given.state_dict(), network, ["head"], "not")
        assert fresh == ("head",)
        assert set(found) == {"features.0.weight", "features.0.bias"}
    backbone = {k: v for k, v in network.state_dict().items() if "head" not in k}
    assert fitted(backbone, network, ["head"], "not")[1] == ("head",)
    with pytest.raises(InputError, match=r"head\.weight is \(3, 9\), must be \(3, 8\)"):
        fitted({**network.state_dict(), "head.weight": torch.ones(3, 9)}, network, ["head"], "no")
    with pytest.raises(InputError, match=r"head\.weight is \(7, 8\)"):
        fitted(SmallCNN(num_classes=7).state_dict(), network, [], "not")


def test_old_files_without_counts_of_batches_fit() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    assert set(fitted(state, network, [], "not")[0]) == set(state)


def test_a_network_that_gives_no_logits_is_refused_with_weights_too(
    pets: Path, saved: Path, tmp_path: Path
) -> None:
    told = refused(pets, tmp_path / "out", models="own_networks:Maps", weights=str(saved))
    assert "must give logits (2, 2)" in told


# ---------------------------------------------------------------- a study from saved weights


@pytest.mark.slow
def test_a_head_of_other_classes_is_not_taken(pets: Path, tmp_path: Path) -> None:
    paths = []
    for names in (["cat", "dog"], ["dog", "cat"], ["bat", "cat"]):
        paths.append(tmp_path / f"{'-'.join(names)}.safetensors")
        about = {"model": json.dumps({"classes": names})}
        save_file(SmallCNN(2).state_dict(), paths[-1], metadata=about)
        assert classes_in(paths[-1]) == tuple(names)
    rows = small_bench(pets, tmp_path / "out", weights=list(map(str, paths)), stems="none").accuracy
    adapted = list(rows.groupby("weights", sort=False)["adaptation"].first())
    assert adapted == ["as published", *["as published, new head"] * 2]


def test_weights_that_another_stem_gave_are_told(
    pets: Path, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    behind = tmp_path / "behind.safetensors"
    run = bench_run(**planned(pets, tmp_path / "first", stems="neurn:k=5", placements="mix"))
    (training,) = run.config.units(run.study.store.outcomes())
    about = {"training": training.model_dump_json()}
    mixed = {**SmallCNN(2).state_dict(), "placement.logit": torch.zeros(())}
    save_file(mixed, behind, metadata=about)
    told = f"nasneurn: {behind}: trained behind neurn:k=5; here it starts trainings behind"
    for stems, others in (("neurn:k=5", ""), ("none,neurn:k=5,neurn", "none, neurn")):
        options = planned(pets, tmp_path / "out", weights=[str(saved), str(behind)], stems=stems)
        run = bench_run(**options)
        run.check(run.left(run.study.store.outcomes()))
        errors = [line for line in capsys.readouterr().err.splitlines() if "behind" in line]
        assert errors == ([f"{told} {others}"] if others else [])


@pytest.mark.slow
def test_a_study_from_saved_weights(pets: Path, saved: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "other.pth"
    torch.save({"state_dict": SmallCNN(2).state_dict()}, pickled)
    weights = ["scratch", str(saved), str(pickled)]
    study = small_bench(pets, tmp_path / "out", weights=weights, stems="none,instance_norm")
    rows = study.accuracy
    words = [one.word for one in parse_weights(weights)]
    assert list(dict.fromkeys(rows["weights"])) == words
    assert rows["training"].nunique() == 6
    adapted = rows.groupby("weights")["adaptation"].unique().map(list)
    assert adapted[words[0]] == adapted[words[2]] == ["as published"]
    assert adapted[words[1]] == ["as published, new head"]
    assert set(rows["scaling"]) == {"source"}
    assert set(tables(rows)["accuracy"].frame["weights"]) == set(words)

    # The same file elsewhere is the same study; another file of its name is not.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = saved.rename(elsewhere / saved.name)
    try:
        again = ["scratch", str(moved), str(pickled)]
        run = bench_run(**planned(pets, study.folder, weights=again, stems="none,instance_norm"))
        assert not run.left(run.study.store.outcomes())
    finally:
        moved.rename(saved)


def test_a_file_that_has_changed_is_refused(pets: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(SmallCNN().state_dict(), path)
    run = bench_run(**planned(pets, tmp_path / "out", weights=str(path)))
    run._write_config()
    save_file(SmallCNN().state_dict(), path)
    with pytest.raises(InputError, match=r"is not the file that it was \(mine@\w+ -> mine@\w+\)"):
        run_config(run.study.config_path, trust_code=True, execution=Execution(device="cpu")).run()
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        run_config(run.study.config_path, trust_code=True, execution=Execution(device="cpu")).run()
    assert not (tmp_path / "out" / "store").exists()


def test_a_study_grows_by_weights(pets: Path, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = set(small_bench(pets, out).accuracy["training"])
    both = small_bench(pets, out, weights=["scratch", str(saved)], extend=True).accuracy
    assert first < set(both["training"])
    assert set(both["weights"]) == {one.word for one in parse_weights(["scratch", str(saved)])}
    # Another network with a file of its own: neither file need fit both.
    narrow, path = f"{NAME}:width=4", tmp_path / "narrow.pth"
    torch.save(SmallCNN(width=4).state_dict(), path)
    three = small_bench(pets, out, models=narrow, weights=str(path), extend=True).accuracy
    assert three["training"].nunique() == 3
    assert len(three[["architecture", "weights"]].drop_duplicates()) == 3


def test_weights_that_only_finished_trainings_need_are_not_asked_for(
    pets: Path, tmp_path: Path
) -> None:
    path = tmp_path / "gone.safetensors"
    save_file(SmallCNN(2).state_dict(), path)
    first = bench_run(**planned(pets, tmp_path / "out", weights=str(path)))
    first._write_config()
    for unit in first.config.units(first.study.store.outcomes()):
        first.study.store.finish(unit.identity, {}, {})
    path.unlink()
    more = bench_run(**planned(pets, tmp_path / "out", weights="scratch"), extend=True)
    left = more.left(more.study.store.outcomes())
    assert len(left) == 1
    more.check(left)


def test_fine_tuning_starts_at_the_accuracy_of_the_weights(pets: Path, tmp_path: Path) -> None:
    before = small_bench(pets, tmp_path / "first", save_weights=True)
    rows = before.accuracy
    (file,) = (before.folder / "weights").glob("*.safetensors")
    run = bench_run(**planned(pets, tmp_path / "then", weights=str(file)))
    (training,) = run.config.units(run.study.store.outcomes())
    place = Place(run.suite.handle, tmp_path)
    network, adaptation = train._Work(training, place, halves=1)._network()
    assert adaptation == "as published"
    for _, row in rows.iterrows():
        part = "test" if row["target"] == "photo" else "all"
        images = images_of(place.suite.open(), row["target"], part, torch.device("cpu"))
        assert accuracy(network.eval(), images) == row["accuracy"]


@pytest.mark.parametrize(
    ("frozen", "changed"),
    [
        ("first*", ("second.", "head.")),
        ("first.0,second.1", ("first.1.", "second.0.", "head.")),
        (["*.weight"], ("bias", "running", "batches")),
        ("all", ("head.",)),
    ],
)
def test_frozen_layers_do_not_change_by_one_bit(
    frozen: str | list[str], changed: tuple[str, ...], pets: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    state = WithNorm(2).state_dict()
    save_file(state, tmp_path / "start.safetensors")
    study = small_bench(
        pets,
        tmp_path / "out",
        models="own_networks:WithNorm",
        weights=str(tmp_path / "start.safetensors"),
        algorithms="erm,ema",
        changes={"frozen": frozen, "selection": "last", "weight_decay": 0.1},
        save_weights=True,
    )
    files = list((study.folder / "weights").glob("*.safetensors"))
    assert len(files) == len(study.accuracy["training"].unique()) > 0
    for file in files:
        for name, value in load_file(file).items():
            stays = torch.equal(value, state[name])
            assert stays != any(part in name for part in changed), name


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"frozen": "frist*"}, "frozen is 'frist*', which names no layer of"),
        ({"frozen": "frist"}, "it has first, second, head; did you mean 'first'?"),
        ({"frozen": "*"}, "leaves nothing of own_networks:WithNorm to train"),
        ({"layer_decay": 0}, "layer_decay is 0"),
        ({"layer_decay": 1.5}, "layer_decay is 1.5"),
        ({"head_rate": -1}, "head_rate is -1"),
        ({"frozen": 3}, "frozen is 3"),
    ],
)
def test_what_cannot_be_frozen_is_told_before(
    changes: dict[str, Any], told: str, pets: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert told in refused(pets, out, models="own_networks:WithNorm", changes=changes)


def test_a_killed_fine_tuning_ends_in_the_same_rows(
    pets: Path, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"frozen": "features.0", "layer_decay": 0.5, "head_rate": 3.0, "schedule": "cosine"}
    options: dict[str, Any] = {"weights": str(saved), "changes": changes}
    whole = small_bench(pets, tmp_path / "whole", **options)
    steps = kill_at_step(monkeypatch, 3)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        small_bench(pets, tmp_path / "killed", **options)
    assert list((tmp_path / "killed" / "state").glob("*.ckpt"))
    again = small_bench(pets, tmp_path / "killed", **options)
    done_again = len(steps) - 6  # of two passes of three batches
    assert done_again == 1  # that after which it was killed
    for table in ("accuracy", "history"):
        one, other = (getattr(study, table) for study in (whole, again))
        clock = ["seconds", "commit"]
        pd.testing.assert_frame_equal(
            one.drop(columns=clock, errors="ignore"),
            other.drop(columns=clock, errors="ignore"),
            check_exact=True,
        )


def test_old_protocols_say_nothing_of_fine_tuning() -> None:
    quick = BUDGETS["quick"]
    assert not {"frozen", "head_rate", "layer_decay"} & set(quick.content)
    tuned = quick.changed({"frozen": "conv1, layer1*", "layer_decay": 0.5}, "protocol")
    assert tuned.content["frozen"] == ["conv1", "layer1*"]
    assert protocol_label("quick", tuned) == "quick:frozen=[conv1,layer1*],layer_decay=0.5"


# ---------------------------------------------------------------- pretrained


#: A small network of timm and the tag of its default weights.
LCNET, TAG = "lcnet_050", "ra2_in1k"


def fill_hub(folder: Path, repository: str, files: dict[str, Callable[[Path], object]]) -> None:
    """Write what the hub's library leaves of a repository in its cache."""
    commit = "0" * 40
    home = folder / f"models--{repository.replace('/', '--')}"
    (home / "snapshots" / commit).mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    for name, write in files.items():
        write(home / "snapshots" / commit / name)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's library, and no network."""

    def unreachable(*given: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "hub"


@pytest.mark.slow
def test_pretrained_weights_of_timm_out_of_its_cache(hub: Path, pets: Path, tmp_path: Path) -> None:
    state = timm.create_model(LCNET).state_dict()
    fill_hub(
        hub,
        f"timm/{LCNET}.{TAG}",
        {"model.safetensors": lambda path: save_file(state, path)},
    )
    study = small_bench(
        pets,
        tmp_path / "out",
        models=LCNET,
        weights="scratch,pretrained",
        image_size=32,
        changes={"frozen": "all", "selection": "last"},
        save_weights=True,
    )
    rows = study.accuracy.set_index("weights")
    assert set(rows.index) == {"scratch", f"pretrained:{TAG}"}
    assert set(rows["scaling"]) == {"weights"}
    pretrained, scratch = rows.loc[f"pretrained:{TAG}"].iloc[0], rows.loc["scratch"].iloc[0]
    assert pretrained["input_mean"] == "0.485/0.456/0.406"
    assert pretrained["input_std"] == "0.229/0.224/0.225"
    assert scratch["input_mean"] != pretrained["input_mean"]
    assert pretrained["adaptation"] == f"{scratch['adaptation']}, new head"
    ended = load_file(study.folder / "weights" / f"{pretrained['training']}.safetensors")
    for name, value in ended.items():
        if not name.startswith("classifier"):
            assert torch.equal(value, state[name]), name
    assert (study.folder / "config.yaml").read_text().count(TAG) == 1


def test_pretrained_weights_of_torchvision_out_of_its_cache(
    hub: Path, pets: Path, tmp_path: Path
) -> None:
    weights = models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(models.squeezenet1_1().state_dict(), folder / weights.url.rpartition("/")[2])
    study = small_bench(
        pets,
        tmp_path / "out",
        models="torchvision:squeezenet1_1.IMAGENET1K_V1",
        weights="pretrained",
        image_size=32,
        changes={"epochs": 1, "scaling": "half"},
    )
    row = study.accuracy.iloc[0]
    assert row["architecture"] == "torchvision:squeezenet1_1"
    assert row["weights"] == "pretrained:IMAGENET1K_V1"
    assert row["adaptation"].endswith(", new head")
    assert (row["scaling"], row["input_mean"]) == ("half", "0.5/0.5/0.5")


@pytest.mark.slow
def test_a_repository_of_the_hub(hub: Path, pets: Path, tmp_path: Path) -> None:
    word = "hf_hub:someone/mine"
    state = timm.create_model(LCNET, num_classes=2).state_dict()
    about = {
        "architecture": LCNET,
        "num_classes": 2,
        "pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "num_classes": 2,
                           "input_size": [3, 32, 32], "classifier": "classifier"},
    }  # fmt: skip
    fill_hub(
        hub,
        "someone/mine",
        {
            "config.json": lambda path: path.write_text(json.dumps(about)),
            "model.safetensors": lambda path: save_file(state, path),
        },
    )
    (architecture,) = resolve_architectures([word])
    assert (architecture.library, architecture.model) == ("timm", LCNET)
    study = small_bench(
        pets, tmp_path / "out", models=word, weights="pretrained", image_size=32,
        changes={"epochs": 1},
    )  # fmt: skip
    row = study.accuracy.iloc[0]
    assert row["weights"] == f"pretrained:{word}"
    assert row["input_mean"] == "0.5/0.4/0.3"
    assert "new head" not in row["adaptation"]


@pytest.mark.slow
def test_without_network_one_line_says_what_to_bring(
    hub: Path, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    for model, name, home in (
        (LCNET, f"{LCNET}.{TAG}", "HF_HOME"),
        ("torchvision:squeezenet1_1", "squeezenet1_1.IMAGENET1K_V1", "TORCH_HOME"),
        ("hf_hub:someone/mine", "hf_hub:someone/mine is (its config.json)", "HF_HOME"),
    ):
        told = refused(pets, out, models=model, weights="pretrained", image_size=32)
        assert "not in the cache and cannot be fetched: " in told
        assert f"{name} (" in told
        assert home in told
        # A file of weights does not tell what network of the hub it is of.
        assert ("--weights FILE" in told) == ("hf_hub" not in model)
    assert constants.HF_HUB_OFFLINE is False
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as of HF_HUB_OFFLINE=1
    assert "cannot be fetched" in refused(
        pets, out, models=LCNET, weights="pretrained", image_size=32
    )


def test_a_damaged_cache_is_one_line(hub: Path, pets: Path, tmp_path: Path) -> None:
    lacking = dict(list(timm.create_model(LCNET).state_dict().items())[1:])
    for number, write in enumerate(
        (lambda path: path.write_bytes(b"12345678{}"), lambda path: save_file(lacking, path))
    ):
        fill_hub(hub, f"timm/{LCNET}.{TAG}", {"model.safetensors": write})
        told = refused(pets, tmp_path / "out", models=LCNET, weights="pretrained", image_size=32)
        assert "cannot be used, the cached file may be damaged" in told
        hub.rename(tmp_path / f"hub{number}")


def test_the_hub_may_hold_something_else(hub: Path) -> None:
    for number, text in enumerate(('{"architectures": ["Bert"]}', '{"architecture": "nn"}', "[]")):
        fill_hub(
            hub, f"a/b{number}", {"config.json": lambda path, text=text: path.write_text(text)}
        )
        with pytest.raises(InputError, match=r"no network of (this )?timm"):
            resolve_architectures([f"hf_hub:a/b{number}"])


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (NAME, f"there are no pretrained weights of {NAME}"),
        ("resnet18.a1_in2k", "did you mean 'a1_in1k'?"),
        ("torchvision:resnet18.V3", "it has IMAGENET1K_V1"),
        ("resnet10t,digits_convnet", "no pretrained weights of digits_convnet"),
        ("vit_tiny_patch16_18x2", "timm has no pretrained weights"),
    ],
)
def test_networks_without_such_weights_are_refused(
    models: str, told: str, pets: Path, tmp_path: Path
) -> None:
    known = timm.list_models() if models.startswith("vit") else [models]
    if models not in known:
        models = next(one for one in known if not timm.get_pretrained_cfg(one).has_weights)
    assert told in refused(pets, tmp_path / "out", models=models, weights="pretrained")


def test_tags_stay_with_the_names(tmp_path: Path) -> None:
    listed = tmp_path / "models.txt"
    listed.write_text("resnet18.tv_in1k\nresnet10t\n")
    words = [str(listed), "resnet18.a1_in1k", "torchvision:resnet18", "digits_convnet"]
    found = {one.name: tags for one, tags in resolve_with_tags(words).items()}
    assert found == {
        "resnet18": ("tv_in1k", "a1_in1k"),
        "resnet10t": ("",),
        "torchvision:resnet18": ("",),
        "digits_convnet": ("",),
    }
    (timms,) = resolve_architectures(["resnet18"])
    assert known_tag(timms) == timm.get_pretrained_cfg("resnet18").tag
    (theirs,) = resolve_architectures(["torchvision:resnet18"])
    told = models.ResNet18_Weights.DEFAULT.transforms()
    assert normalization(theirs, known_tag(theirs)) == (tuple(told.mean), tuple(told.std))


def test_networks_that_transform_their_images_are_given_others() -> None:
    network = models.GoogLeNet(num_classes=2, init_weights=False, transform_input=True)
    (theirs,) = resolve_architectures(["torchvision:googlenet"])
    given, ours = (
        torch.tensor(numbers).view(2, 3, 1, 1)
        for numbers in (
            [models.GoogLeNet_Weights.DEFAULT.transforms().mean,
             models.GoogLeNet_Weights.DEFAULT.transforms().std],
            normalization(theirs, "IMAGENET1K_V1"),
        )
    )  # fmt: skip
    images = torch.rand(2, 3, 4, 4)
    expected = network._transform_input((images - given[0]) / given[1])
    torch.testing.assert_close((images - ours[0]) / ours[1], expected)


def test_two_tags_of_a_network_are_two_weights() -> None:
    rows = pd.DataFrame(
        {
            "architecture": ["a", "b", "b"],
            "weights": ["pretrained:x", "pretrained:y", "scratch"],
        }
    )
    assert list(designs(rows)["weights"]) == ["pretrained", "pretrained", "scratch"]
    rows.loc[2, "weights"] = "pretrained:z"
    assert list(designs(rows)["weights"]) == list(rows["weights"])
