"""Protocols by name are those of the papers that they are called after."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import resize

from nasneurn.api import bench_run, load_results, read_config
from nasneurn.domains import load_suite, source_rows
from nasneurn.errors import InputError
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.named_protocols import PROTOCOLS
from nasneurn.training.protocol import BUDGETS

ROOT = Path(__file__).parents[1]


@pytest.mark.real_data
def test_the_literatures_single_source_protocol(real_data_dir: Path, tmp_path: Path) -> None:
    """First 10,000 images of MNIST, Adam 1e-4, batches of 32, 10,000 steps, whole test sets."""
    run = bench_run(
        protocol="single-source-digits", stems="none,neurn", out=tmp_path, read_images=False
    )
    config = run.config
    assert isinstance(config, BenchConfig)
    assert [one.name for one in config.architectures] == ["digits_convnet"]
    assert (config.suite, config.image_size, config.sources) == ("digits-resized", 32, ("mnist",))
    assert config.seeds == (0, 1, 2, 3, 4)
    protocol = config.protocol
    assert (protocol.steps, protocol.batch_size, protocol.learning_rate) == (10_000, 32, 1e-4)
    assert (protocol.selection, protocol.weight_decay, protocol.schedule) == (
        "last",
        0.0,
        "constant",
    )
    fit, held_out = source_rows(
        run.suite.labels("mnist", "train"),
        most=protocol.train_images,
        fraction=protocol.hold_out,
        drawn=protocol.drawn,
    )
    assert np.array_equal(fit, np.arange(10_000))
    assert np.array_equal(held_out, np.arange(10_000, 11_500))
    for target in ("mnistm", "svhn", "usps"):
        assert run.suite.tested(target, ("mnist",)) == "test"


@pytest.mark.real_data
def test_resized_digits_are_stretched_as_torchvision_stretches(real_data_dir: Path) -> None:
    raw = np.load(real_data_dir / "mnist_test.npz")["images"][:50]
    ours = load_suite("digits-resized").images("mnist", "test").images[:50]
    theirs = resize(torch.from_numpy(raw)[:, None], [32, 32], antialias=True)
    assert np.abs(ours[..., 0].astype(int) - theirs[:, 0].numpy().astype(int)).max() <= 1
    padded = load_suite("digits").images("mnist", "test").images[:50]
    assert not np.array_equal(ours, padded)
    usps = [load_suite(name).images("usps", "test").images[:5] for name in SUITES]
    assert np.array_equal(*usps)


SUITES = ("digits", "digits-resized")


def test_first_rows_need_others_to_hold_out() -> None:
    labels = np.arange(100) % 10
    fit, held_out = source_rows(labels, most=80, fraction=0.25, drawn="first")
    assert (fit[0], fit[-1], held_out[0], held_out[-1]) == (0, 79, 80, 99)
    with pytest.raises(InputError, match=r"the first 90 images .* 22 after them .* there are 100"):
        source_rows(labels, most=90, fraction=0.25, drawn="first")


def test_an_option_goes_before_the_protocol(tmp_path: Path) -> None:
    run = bench_run(
        protocol="single-source-digits",
        stems="none",
        suite="builtin",
        sources="optdigits",
        seeds=1,
        changes={"train_images": 1000},
        out=tmp_path,
        read_images=False,
    )
    assert (run.config.suite, run.config.seeds) == ("builtin", (0,))
    assert run.config.protocol == BUDGETS["single-source-digits"].changed(
        {"train_images": 1000}, "protocol"
    )


def test_an_unknown_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"protocol is .single-source., .*did you mean"):
        bench_run(protocol="single-source", stems="none", out=tmp_path)


def test_each_protocol_names_a_budget() -> None:
    assert {one.budget for one in PROTOCOLS.values()} <= set(BUDGETS)


@pytest.mark.parametrize("name", ["bench-digits"])
def test_fields_that_came_later_leave_old_trainings_as_they_are(name: str) -> None:
    """The identities in a committed table are those that its configuration gives today."""
    folder = ROOT / "results" / name
    units = read_config(folder / "config.yaml").units(load_results(folder).store.outcomes())
    assert {unit.identity for unit in units} == {*load_results(folder).accuracy["training"]}
