"""Ablations: what each variant is, where stems stand, and the study of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from drawn import images
from in_process import refusal
from scipy import stats
from shows_itself import check_shown, other_axes
from tiny_bench import tiny_config
from torch import Tensor, nn

from nasneurn.analysis.cells import settings
from nasneurn.api import ablate, ablation_run
from nasneurn.choices import Choice
from nasneurn.diagnosis.restored import restored, saved_weights
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.networks import resolve_architectures
from nasneurn.networks.placement import Mix, describe_placed, first_convolution, placed
from nasneurn.networks.places import PLACEMENTS, parse_placements
from nasneurn.report.ablation_files import Ablation
from nasneurn.stems import STEMS, check_stem, neurn, sobel
from nasneurn.studies.ablations import (
    GROUPS,
    NONE,
    PLAIN,
    VARIANTS,
    parse_groups,
    rows_of_variants,
    variants_in,
    variants_of,
)
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.responses import response_table, sigma_of
from nasneurn.studies.run import Execution
from nasneurn.studies.store import Outcomes
from nasneurn.training.scaling import Standardize, Statistics

CPU = torch.device("cpu")
PLACED = {one.placement for one in VARIANTS}
TINY: dict[str, Any] = {
    "models": "own_networks:SmallCNN",
    "changes": {"train_images": 100, "epochs": 1, "batch_size": 32},
    "targets": "optdigits,print",
    "seeds": 2,
    "execution": Execution(device="cpu", save_weights=True, save_predictions=True),
}


# ---------------------------------------------------------------- the table


def test_variants_have_names_of_their_own_and_each_differs_from_plain_neurn() -> None:
    assert len({one.label for one in VARIANTS}) == len(VARIANTS)
    keys = {one.key for one in VARIANTS}
    assert len(keys) == len(VARIANTS)
    assert ("neurn", "front") not in keys
    assert PLACED.issubset(PLACEMENTS)


@pytest.mark.parametrize("stem", sorted({one.stem for one in VARIANTS}))
def test_every_stem_of_the_table_keeps_what_stems_must(stem: str) -> None:
    check_stem(stem)


def test_groups_by_name() -> None:
    assert parse_groups("all") == GROUPS
    assert parse_groups(["order,patch"]) == ("patch", "order")
    with pytest.raises(InputError, match="did you mean 'border'"):
        parse_groups("boarder")
    labels = [one.label for one in variants_of(("colour",))]
    assert labels == ["none", "plain NeuRN", "of the grey image"]


# ---------------------------------------------------------------- placements, by hand


class Tiny(nn.Module):
    """A convolution that can be followed by hand, and its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.conv(x).mean((2, 3))
        return logits


@pytest.fixture
def parts() -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
    """A body, a stem as it is standardized, what standardizes the image, and the bare stem."""
    torch.manual_seed(0)
    stem = nn.Sequential(STEMS.create("neurn"), Standardize(Statistics((0.4,), (0.2,))))
    return Tiny(), stem, Standardize(Statistics((0.5,), (0.25,))), STEMS.create("neurn")


def test_concatenated_the_first_channels_keep_their_weights(parts: Any) -> None:
    body, stem, plain, bare = parts
    before, x = body.conv.weight.detach().clone(), images(2, 3, 8, 8)
    network = placed("concatenate", body, stem, plain, bare, "conv", seed=5)
    weight = body.conv.weight
    assert weight.shape == (4, 6, 3, 3)
    assert torch.equal(weight[:, :3], before)
    assert weight.requires_grad
    given = nn.functional.conv2d(plain(x), before)
    given = given + nn.functional.conv2d(stem(x), weight[:, 3:])
    torch.testing.assert_close(network(x), given.mean((2, 3)))
    # The further weights follow from their own seed, whatever the generator was at.
    torch.manual_seed(0)
    again = Tiny()
    torch.rand(7)
    placed("concatenate", again, stem, plain, bare, "conv", seed=5)
    assert torch.equal(again.conv.weight, weight)
    spread = float(weight[:, 3:].detach().std())
    assert spread == pytest.approx(float(before.std()), rel=0.3)


def test_mixed_from_the_image_alone_to_the_stem_alone(parts: Any) -> None:
    body, stem, plain, bare = parts
    x = images(2, 3, 8, 8)
    network = placed("mix", body, stem, plain, bare)
    front = network[0]
    assert isinstance(front, Mix)
    assert front.share == 0.5
    torch.testing.assert_close(network(x), body((plain(x) + stem(x)) / 2))
    with torch.no_grad():
        front.logit.fill_(-1e4)
    assert torch.equal(network(x), body(plain(x)))
    with torch.no_grad():
        front.logit.fill_(1e4)
    torch.testing.assert_close(network(x), body(stem(x)))
    with torch.no_grad():
        front.logit.zero_()
    network(x).sum().backward()
    assert front.logit.grad is not None
    assert float(front.logit.grad) != 0


def test_after_the_first_convolution_the_stem_sees_its_maps(parts: Any) -> None:
    body, stem, plain, bare = parts
    x = images(2, 3, 8, 8)
    names = list(body.state_dict())
    maps = body.conv(plain(x))
    network = placed("after_first", body, stem, plain, bare, "conv")
    torch.testing.assert_close(network(x), neurn(maps).mean((2, 3)))
    assert list(body.state_dict()) == names


def test_in_one_phase_only(parts: Any) -> None:
    body, stem, plain, bare = parts
    x = images(2, 3, 8, 8)
    with_stem, without = body(stem(x)), body(plain(x))
    training = placed("training", body, stem, plain, bare)
    assert torch.equal(training.train()(x), with_stem)
    assert torch.equal(training.eval()(x), without)
    testing = placed("testing", body, stem, plain, bare)
    assert torch.equal(testing.train()(x), without)
    assert torch.equal(testing.eval()(x), with_stem)


def test_in_front_nothing_is_new(parts: Any) -> None:
    body, stem, plain, bare = parts
    network = placed("front", body, stem, plain, bare)
    assert list(network) == [stem, body]


@pytest.mark.slow
def test_the_convolution_that_sees_the_images() -> None:
    (convnet, mobile) = resolve_architectures(["digits_convnet", "mobilenetv3_small_100"])
    assert first_convolution(convnet, 10, 32) == "0"
    assert first_convolution(mobile, 10, 32, "fit") == "conv_stem"
    neurn_choice = Choice(name="neurn")
    plain, wide, mixed = (
        describe_placed(placement, neurn_choice, convnet, 10, 32)
        for placement in ("front", "concatenate", "mix")
    )
    assert wide.params - plain.params == 3 * 64 * 25
    assert wide.flops - plain.flops == 3 * 64 * 25 * 28 * 28
    assert (mixed.params - plain.params, mixed.flops) == (1, plain.flops)


# ---------------------------------------------------------------- as an axis of a study


def test_a_stem_in_front_is_the_training_that_it_was() -> None:
    plain = tiny_config(stems=["neurn"]).units(Outcomes())
    placed_units = tiny_config(stems=["none,neurn"], placements="front,mix").units(Outcomes())
    titles = [unit.title.split(", ", 1)[1] for unit in placed_units]
    assert titles == [
        "none, optdigits, seed 0", "neurn, optdigits, seed 0", "neurn mix, optdigits, seed 0"
    ]  # fmt: skip
    identities = [unit.identity for unit in placed_units]
    assert identities[1] == plain[0].identity
    assert len(set(identities)) == 3


def test_a_later_option_is_no_part_of_what_a_stem_was() -> None:
    assert STEMS.filled(STEMS.choose("neurn")) == {
        "name": "neurn",
        "options": {
            "border": "reflect", "eps": 1e-3, "k": 3, "mode": "contrast", "scope": "image",
        },
    }  # fmt: skip
    assert STEMS.filled(STEMS.choose("neurn:quantile=0.9"))["options"]["quantile"] == 0.9


def test_configurations_without_placements_are_in_front(tmp_path: Path) -> None:
    config = tiny_config()
    config.write(tmp_path / "config.yaml", {})
    text = (tmp_path / "config.yaml").read_text()
    older = text.replace("placements:\n- front\n", "")
    assert older != text
    (tmp_path / "config.yaml").write_text(older)
    assert BenchConfig.read(tmp_path / "config.yaml") == config


def test_rows_of_several_placements_are_settings_and_older_rows_are_in_front() -> None:
    rows = pd.DataFrame({"placement": ["", "front"], "stem": ["none", "neurn"]})
    assert settings(rows) == []
    assert settings(rows.assign(placement=["", "mix"])) == ["placement"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"models": ["own_networks:Flat"]}, "does not see its images through a convolution"),
        ({"models": ["digits_convnet"], "stems": ["grey"]}, "grey placed after_first"),
        ({"models": ["digits_convnet"], "stems": ["neurn:k=63"]}, "28 x 28"),
    ],
)
def test_what_cannot_be_placed_is_told_before_the_first_training(
    options: dict[str, Any], told: str
) -> None:
    config = tiny_config(**{"stems": ["neurn"], "placements": "after_first", **options})
    suite = load_suite("builtin")
    if "Flat" in str(options["models"]):
        mixed = tiny_config(**{**options, "stems": ["neurn"], "placements": "mix"})
        mixed.check(suite, mixed.units(Outcomes()))
    with pytest.raises(InputError, match=told):
        config.check(suite, config.units(Outcomes()))


def test_placements_by_name() -> None:
    assert parse_placements(["mix,front", "mix"]) == ("mix", "front")
    with pytest.raises(InputError, match="did you mean 'concatenate'"):
        parse_placements("concatenat")


# ---------------------------------------------------------------- the study


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    out = tmp_path_factory.mktemp("ablate")
    return ablate("placement,phase,colour", **TINY, out=out)


def test_every_variant_is_compared_with_both_controls(finished: Ablation) -> None:
    labels = [one.label for one in variants_of(("placement", "phase", "colour"))]
    overall = finished.overall
    assert set(overall["variant"]) == set(labels)
    assert len(overall) == 2 * (len(labels) - 1)
    assert set(finished.pairs["target"]) == {"print"}
    rows = finished.study.accuracy
    assert (rows["placement"] == "mix").sum() == 4
    shares = rows.set_index("placement")["mix_weight"]
    assert shares["mix"].between(0.45, 0.55).all()
    assert shares.drop("mix").isna().all()


def test_differences_are_paired_by_seed(finished: Ablation) -> None:
    rows = finished.study.accuracy
    rows = rows[rows["target"] == "print"].set_index(["stem", "placement", "seed"])["accuracy"]
    rows = rows.sort_index()
    own = rows["neurn", "concatenate"] - rows["neurn", "front"]
    table = finished.overall
    line = table[(table["variant"] == "beside the image") & (table["against"] == "plain NeuRN")]
    assert line["difference"].item() == pytest.approx(own.mean())
    p = stats.ttest_1samp(own, 0).pvalue
    if np.isfinite(p):
        assert line["p"].item() == pytest.approx(p)


def test_saved_weights_give_the_same_answers_wherever_the_stem_stood(finished: Ablation) -> None:
    study, suite = finished.study, load_suite("builtin")
    rows = study.accuracy
    rows = rows[(rows["target"] == "print") & (rows["seed"] == 1)]
    test = suite.images("print", "test")
    pixels = torch.from_numpy(np.ascontiguousarray(test.images.transpose(0, 3, 1, 2))) / 255
    assert set(rows["placement"]) == PLACED
    for training in rows["training"]:
        path = saved_weights(study.folder, training, "print")
        assert path is not None
        saved = study.predictions(training)
        logits = np.stack(list(saved[saved["target"] == "print"]["logits"]))
        answers = restored(path, suite, CPU)(pixels)
        torch.testing.assert_close(answers, torch.from_numpy(logits), rtol=1e-4, atol=1e-5)


def test_epochs_say_where_the_stem_stood(finished: Ablation) -> None:
    history = finished.study.history
    placements = history["placement"].replace("", "front")
    assert set(placements) == PLACED
    assert len(history) == 2 * 8


def test_an_ablation_shows_itself(finished: Ablation) -> None:
    check_shown(finished)
    axes = other_axes()
    assert finished.plot_variants(axes, against="plain NeuRN") is axes
    assert {text.get_text() for text in axes.get_yticklabels()} >= {"none", "of the grey image"}
    with pytest.raises(InputError, match="control is 'sobel'"):
        finished.plot_variants(against="sobel")


def test_the_files_of_an_ablation(finished: Ablation) -> None:
    folder = finished.study.folder
    for name in ("tables/ablation.csv", "tables/ablation_pairs.csv", "responses.csv"):
        table = pd.read_csv(folder / name)
        assert len(table)
        if name.startswith("tables/"):  # as in the list of variants, however they were added
            known = [one.label for one in (NONE, PLAIN, *VARIANTS)]
            assert list(table["variant"]) == sorted(table["variant"], key=known.index)
    assert (folder / "figures" / "ablation.png").stat().st_size > 10_000


def test_other_groups_are_added_and_what_is_done_is_not_done_again(finished: Ablation) -> None:
    out = finished.study.folder
    run = ablation_run("placement,mode", **TINY, out=out)
    left = [unit.title.split(", ")[1] for unit in run.left(run.study.store.outcomes())]
    assert left == ["neurn:mode=reciprocal", "neurn:mode=local"] * 2
    again = ablate("placement,phase,colour", **TINY, out=out)
    pd.testing.assert_frame_equal(again.overall, finished.overall)


@pytest.mark.slow
def test_a_study_knows_its_variants(tmp_path: Path) -> None:
    run = ablation_run("placement,scale,mode", **TINY, out=tmp_path)
    wanted = variants_of(("placement", "scale", "mode"))
    assert isinstance(run.config, BenchConfig)
    assert variants_in(run.config.grids) == wanted


def test_only_rows_of_variants_count() -> None:
    rows = pd.DataFrame(
        {
            "stem": ["none", "neurn", "sobel", "neurn", "neurn:k=5"],
            "applied_stem": ["none", "neurn", "sobel", "neurn", "neurn:k=5"],
            "placement": ["front", "front", "front", "mix", "mix"],
        }
    )
    named = rows_of_variants(rows)
    assert list(named["variant"]) == ["none", "plain NeuRN", "mixed with the image"]


@pytest.mark.slow
def test_responses_against_numpy() -> None:
    suite = load_suite("builtin")
    (blank, reciprocal) = ("neurn", "neurn:mode=reciprocal")
    variants = [one for one in variants_of(("mode", "placement")) if one.stem != "none"]
    table = response_table(suite, {"optdigits": "test"}, variants, CPU).set_index("stem")
    pixels = suite.images("optdigits", "test").images
    x = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) / 255
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    flat = patches.min((-2, -1)) == patches.max((-2, -1))
    sigma = np.where(flat, 0, patches.std((-2, -1)))
    c = sigma.max((1, 2, 3))
    plain = table.loc[blank].iloc[0]
    assert plain["blank"] == pytest.approx(flat.mean(), abs=1e-9)
    assert plain["smallest_sigma"] == 0
    assert plain["smallest_positive_sigma"] == pytest.approx(sigma[sigma > 0].min(), rel=1e-4)
    assert plain["smallest_maximum"] == pytest.approx(c.min(), rel=1e-4)
    answer = sigma / c[:, None, None, None]
    assert plain["saturated"] == pytest.approx((answer >= 0.999).mean(), abs=1e-6)
    assert plain["mean"] == pytest.approx(answer.mean(), rel=1e-4)
    assert plain["std"] == pytest.approx(answer.std(), rel=1e-4)
    assert table.loc[reciprocal, "blank"] == plain["blank"]
    # Two placements of plain NeuRN see images; after the first convolution it does not.
    assert list(table.loc["neurn", "variant"]) == [
        "plain NeuRN", "beside the image", "mixed with the image"
    ]  # fmt: skip


def test_the_sigma_of_a_stem() -> None:
    given = {
        "neurn:k=5,quantile=0.9": "neurn:k=5,mode=local",
        "neurn_grey": "neurn_grey:mode=local",
    }
    for stem, sigma in given.items():
        assert str(sigma_of(STEMS.choose(stem))) == sigma
    assert not torch.equal(sobel(images(1, 3, 8, 8)), neurn(images(1, 3, 8, 8)))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--groups", "patches"], "did you mean 'patch'?"),
        (["--protocol", "single-source"], "did you mean 'single-source-digits'?"),
        (["--seeds", "0"], "seeds are '0'"),
        (["--models", "own_networks:Flat"], "does not see its images through a convolution"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in refusal(monkeypatch, capfd, "ablate", *arguments)
    assert not (tmp_path / "results").exists()
