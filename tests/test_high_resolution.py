"""Stems around a pretrained network's normalization, mixes with a start, batch norms set anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from breaking_off import kill_at_step
from drawn import images
from own_networks import SmallCNN, WithNorm
from pets import COLOURS, make_pets, save
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision import models

from nasneurn import bench, load_model
from nasneurn.algorithms import ERM
from nasneurn.analysis.cells import designs
from nasneurn.analysis.comparisons import compare, differences
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.networks.placement import FreeMix, placed, shares
from nasneurn.stems import STEMS
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution
from nasneurn.training.fine_tuning import Body
from nasneurn.training.module import ClassificationModule
from nasneurn.training.protocol import BUDGETS, Optimization
from nasneurn.training.scaling import Standardize, Statistics
from search_spaces.batch_norms import recalibrate

SMALL = {"epochs": 1, "batch_size": 4, "hold_out": 0.25, "selection": "last"}
IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


NORMED = "own_networks:WithNorm"


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two domains with two classes of ten images, no two of them alike."""
    root = make_pets(tmp_path_factory.mktemp("high") / "pets")
    random = np.random.default_rng(0)
    for number, path in enumerate(sorted(root.rglob("*.*"))):
        base = COLOURS[path.parent.name]
        colour = tuple(int(c) for c in np.clip(base + random.integers(-30, 30, 3), 0, 255))
        save(path, colour, size=(30 + number % 7, 24))
    return root


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Weights of torchvision's SqueezeNet in its cache, drawn here."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    state = models.squeezenet1_1().state_dict()
    name = models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    torch.save(state, folder / name)
    return state


def study_of(pets: Path, out: Path, **options: Any) -> Study:
    changes = {**SMALL, **options.pop("changes", {})}
    usual = {
        "models": NORMED,
        "stems": "neurn",
        "suite": pets,
        "image_size": 16,
        "sources": "photo",
        "seeds": 1,
        "execution": Execution(device="cpu", save_weights=True, save_predictions=True),
    }
    return bench(**{**usual, **options}, out=out, changes=changes)


def refused(pets: Path, out: Path, **options: Any) -> str:
    """The one line that refuses a study, before anything of it is done."""
    with pytest.raises(InputError) as told:
        study_of(pets, out, **options)
    assert not out.exists()
    assert "\n" not in str(told.value)
    return str(told.value)


def photos(pets: Path, part: str, size: int = 16) -> Tensor:
    split = load_suite(str(pets), size=size).images("photo", part)
    return torch.from_numpy(np.asarray(split.images[:])).permute(0, 3, 1, 2).float() / 255


# ---------------------------------------------------------------- mixes with a start


@pytest.mark.parametrize(("placement", "first"), [("mix_from_image", 0), ("mix_from_stem", 1)])
def test_a_mix_begins_as_its_start_to_the_last_bit(placement: Any, first: int) -> None:
    torch.manual_seed(0)
    body, x = SmallCNN(), images(2, 3, 16, 16)
    plain = Standardize(IMAGENET)
    stem = nn.Sequential(STEMS.create("neurn"), Standardize(Statistics((0.3,), (0.2,))))
    network = placed(placement, body, stem, plain, stem)
    front = network[0]
    assert isinstance(front, FreeMix)
    assert front.share == first
    assert torch.equal(network(x), body([plain, stem][first](x)))
    network(x).square().sum().backward()
    assert front.weight.grad is not None
    assert float(front.weight.grad) != 0
    with torch.no_grad():
        front.weight.fill_(0.25)
    torch.testing.assert_close(network(x), body(0.75 * plain(x) + 0.25 * stem(x)))


def test_the_share_has_a_rate_of_its_own() -> None:
    """Adam's first step is the rate times the sign of the gradient."""
    body, plain = SmallCNN(), nn.Identity()
    network = placed("mix_from_image", body, STEMS.create("neurn"), plain, plain)
    module = ClassificationModule(
        Optimization(learning_rate=0.001, mix_rate=50.0), ERM(), 4, 0, Body(body, ("head",))
    )
    module.set_model(network)
    optimizer: Any = module.configure_optimizers()
    before = body.head.bias.detach().clone()
    for weight in network.parameters():
        weight.grad = torch.full_like(weight, -1.0)
    optimizer.step()
    (share,) = shares(network)
    assert share.item() == pytest.approx(0.05)
    torch.testing.assert_close(body.head.bias.detach() - before, torch.full((10,), 0.001))


# ---------------------------------------------------------------- around the normalization


@pytest.mark.slow
def test_where_a_stem_stands_to_the_pretrained_normalization(
    pretrained: dict[str, Tensor], pets: Path, tmp_path: Path
) -> None:
    study = study_of(
        pets,
        tmp_path / "out",
        models="torchvision:squeezenet1_1",
        stems="none,neurn",
        placements="front,inside,own_scale,mix_from_image,mix_from_stem",
        weights="pretrained",
        image_size=32,
        adaptation="as-published",  # which takes less long
        changes={"learning_rate": 1e-12},  # so that all stays as it began
    )
    rows = study.accuracy[study.accuracy["target"] == "sketch"].copy()
    rows["key"] = rows["stem"].where(rows["stem"] == "none", rows["placement"])
    rows = rows.set_index("key")
    assert len(rows) == len(set(rows["training"])) == 6
    assert set(rows["scaling"]) == {"weights"}
    own = rows.loc["own_scale", "input_mean"]
    for key in ("none", "front", "inside"):
        assert rows.loc[key, "input_mean"] == "0.485/0.456/0.406"
    assert own != "0.485/0.456/0.406"
    assert set(rows.loc[["mix_from_image", "mix_from_stem"], "input_mean"]) == {own}
    assert rows.loc["mix_from_image", "mix_weight"] == pytest.approx(0, abs=1e-6)
    assert rows.loc["mix_from_stem", "mix_weight"] == pytest.approx(1, abs=1e-6)

    # Each network is made again of its file alone, and sees what it should.
    x = photos(pets, "test", 32)
    neurn = STEMS.create("neurn")
    known = Standardize(IMAGENET)
    loaded = {
        key: load_model(study.folder / "weights" / f"{row['training']}.safetensors")
        for key, row in rows.iterrows()
    }
    mean, std = (
        tuple(float(one) for one in rows.loc["own_scale", column].split("/"))
        for column in ("input_mean", "input_std")
    )
    seen: dict[str, Tensor] = {
        "none": known(x),
        "front": known(neurn(x)),
        "inside": neurn(known(x)),
        "own_scale": Standardize(Statistics(mean, std))(neurn(x)),
        "mix_from_image": known(x),
        "mix_from_stem": Standardize(Statistics(mean, std))(neurn(x)),
    }
    for key, expected in seen.items():
        given = loaded[key].network[0](x)
        torch.testing.assert_close(given, expected, rtol=2e-3, atol=2e-3, msg=key)
        logits = study.predictions(rows.loc[key, "training"])
        logits = np.stack(list(logits[logits["target"] == "photo"]["logits"]))
        torch.testing.assert_close(loaded[key](x), torch.from_numpy(logits), rtol=1e-3, atol=1e-4)
    # So at the start a mix is the network as it was.
    torch.testing.assert_close(loaded["mix_from_image"](x), loaded["none"](x))
    torch.testing.assert_close(loaded["mix_from_stem"](x), loaded["own_scale"](x))

    table = compare(study.accuracy)
    assert list(table["placement"]) == list(rows.index.drop("none"))


def test_no_stem_is_the_control_of_every_placement() -> None:
    rows = pd.DataFrame(
        {
            "stem": ["none", "neurn", "neurn"],
            "placement": ["front", "front", "inside"],
            "accuracy": [0.5, 0.6, 0.4],
            "architecture": "a", "source": "s", "target": "t", "seed": 0,
        }
    )  # fmt: skip
    found = differences(rows).set_index("placement")["difference"]
    assert found.round(6).to_dict() == {"front": 0.1, "inside": -0.1}
    whole = designs(rows)
    assert list(whole.loc[whole["stem"] == "none", "placement"]) == ["front", "inside"]
    pd.testing.assert_frame_equal(designs(whole), whole)
    # Not with an algorithm that the placement was not tried with.
    further = rows.assign(algorithm="erm")
    further = pd.concat([further, further[:2].assign(algorithm="coral")], ignore_index=True)
    bare = designs(further).query("stem == 'none'")
    assert list(zip(bare["placement"], bare["algorithm"], strict=True)) == [
        ("front", "erm"), ("front", "coral"), ("inside", "erm")
    ]  # fmt: skip


# ---------------------------------------------------------------- batch norms set anew


def statistics_by_hand(
    pets: Path, state: dict[str, Tensor], stem: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Mean and variance of the first convolution's maps over photos, in double precision."""
    weight, bias = (state[f"first.0.{name}"].double() for name in ("weight", "bias"))
    maps = nn.functional.conv2d(stem(photos(pets, "train")).double(), weight, bias)
    return maps.mean((0, 2, 3)), maps.var((0, 2, 3))


@pytest.mark.parametrize(
    ("when", "changes"),
    [("start", {"frozen": "all"}), ("end", {}), ("end", {"selection": "oracle"})],
)
def test_batch_norms_have_the_statistics_of_source_images(
    when: str, changes: dict[str, Any], pets: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    start = WithNorm(2).state_dict()
    save_file(start, tmp_path / "start.safetensors")
    study = study_of(
        pets,
        tmp_path / "out",
        weights=str(tmp_path / "start.safetensors"),
        # One held-out image of each class, so that 14 are trained on, in one batch.
        changes={"recalibrate": when, "hold_out": 0.1, "batch_size": 14, **changes},
    )
    suite = load_suite(str(pets), size=16)
    assert len(suite.labels("photo", "train")) == 16
    (identity,) = set(study.accuracy["training"])
    assert set(study.accuracy["protocol"].str.contains(f"recalibrate={when}")) == {True}
    files = sorted((study.folder / "weights").glob(f"{identity}*.safetensors"))
    assert len(files) == (2 if "selection" in changes else 1)
    row = study.accuracy.iloc[0]
    mean, std = (
        tuple(float(one) for one in row[name].split("/")) for name in ("input_mean", "input_std")
    )
    stem = nn.Sequential(STEMS.create("neurn"), Standardize(Statistics(mean, std)))
    for file in files:
        state = load_file(file)
        assert int(state["first.1.num_batches_tracked"]) == 1
        # All 16 images, of which two are held out: so nearly those of the 14.
        for name, expected in zip(
            ("mean", "var"), statistics_by_hand(pets, state, stem), strict=True
        ):
            found = state[f"first.1.running_{name}"].double()
            torch.testing.assert_close(found, expected, rtol=0.1, atol=0.05)
        if when == "start":
            assert torch.equal(state["first.0.weight"], start["first.0.weight"])
            assert not torch.equal(state["first.1.running_mean"], start["first.1.running_mean"])


def test_momenta_come_back_where_a_batch_fails() -> None:
    network = WithNorm()
    momentum = network.first[1].momentum
    with pytest.raises(RuntimeError):
        recalibrate(network, [images(4, 3, 16, 16), images(4, 5, 16, 16)])
    assert network.first[1].momentum == momentum is not None
    assert not any(one.training for one in network.modules())


def test_statistics_are_means_over_the_batches() -> None:
    torch.manual_seed(0)
    network = WithNorm()
    network.first[1].running_mean.fill_(7.0)
    batches = images(12, 3, 16, 16).split(4)
    recalibrate(network, batches)
    maps = network.first[0](torch.cat(batches)).double()
    torch.testing.assert_close(network.first[1].running_mean.double(), maps.mean((0, 2, 3)))
    parts = torch.stack([part.var((0, 2, 3)) for part in maps.split(4)])
    torch.testing.assert_close(network.first[1].running_var.double(), parts.mean(0))
    assert network.first[1].momentum == 0.1
    assert not any(module.training for module in network.modules())


@pytest.mark.slow
def test_a_killed_training_that_recalibrates_ends_in_the_same_rows(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        "changes": {"recalibrate": "start", "mix_rate": 20.0, "epochs": 2},
        "placements": "mix_from_image",
    }
    whole = study_of(pets, tmp_path / "whole", **options)
    kill_at_step(monkeypatch, 3)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        study_of(pets, tmp_path / "killed", **options)
    assert list((tmp_path / "killed" / "state").glob("*.ckpt"))
    again = study_of(pets, tmp_path / "killed", **options)
    clock = ["seconds", "commit"]
    pd.testing.assert_frame_equal(
        whole.accuracy.drop(columns=clock), again.accuracy.drop(columns=clock), check_exact=True
    )
    assert abs(whole.accuracy["mix_weight"].iloc[0]) > 0.02


@pytest.mark.slow
def test_leave_one_out_of_photographs(pets: Path, tmp_path: Path) -> None:
    root = tmp_path / "three"
    for name in ("art", "photo", "sketch"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).symlink_to(pets / ("photo" if name == "art" else name))
    study = study_of(
        root,
        tmp_path / "out",
        sources="leave-one-out",
        image_size=64,
        changes={"recalibrate": "end", "balanced": True},
    )
    assert set(study.accuracy["source"]) == {"photo+sketch", "art+sketch", "art+photo"}
    assert study.failures.empty


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"models": "digits_convnet", "changes": {"recalibrate": "start"}},
            "digits_convnet has no batch norm with statistics",
        ),
        (
            {"models": f"{NORMED},own_networks:SmallCNN", "changes": {"recalibrate": "end"}},
            "own_networks:SmallCNN has no batch norm",
        ),
        (
            {"changes": {"recalibrate": "end", "frozen": "first"}},
            "recalibrate is 'end', and frozen keeps first.1 of",
        ),
        ({"changes": {"recalibrate": "before"}}, "recalibrate is 'before'"),
        ({"changes": {"mix_rate": 0}}, "mix_rate is 0"),
        ({"placements": "insid"}, "did you mean 'inside'"),
        ({"models": "own_networks:Large"}, "cannot take images of 16 pixels"),
    ],
)
def test_what_cannot_be_is_told_before(
    options: dict[str, Any], told: str, pets: Path, tmp_path: Path
) -> None:
    assert told in refused(pets, tmp_path / "out", **options)


def test_domains_of_unequal_classes_are_told(pets: Path, tmp_path: Path) -> None:
    root = tmp_path / "unequal"
    for domain in ("photo", "sketch"):
        for name in COLOURS:
            if (domain, name) != ("sketch", "dog"):
                for row in range(4):
                    save(root / domain / name / f"{row}.png")
    told = refused(root, tmp_path / "out")
    assert "sketch" in told
    assert "dog" in told


def test_old_protocols_say_nothing_of_it() -> None:
    quick = BUDGETS["quick"]
    later = {"mix_rate": 10.0, "recalibrate": "end", "optimizer": "sgd"}
    assert not set(later) & set(quick.content)
    changed = quick.changed(later, "protocol").content
    assert {name: changed[name] for name in later} == later
