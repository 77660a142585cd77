"""The examples run as their docstrings say, and what an algorithm of one's own must keep."""

import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.v2 import MixUp

import nasneurn
from nasneurn.algorithms import ERM, create_algorithm, list_algorithms
from nasneurn.algorithms.conformance import check_algorithm
from nasneurn.errors import InputError
from nasneurn.networks import create_network
from nasneurn.networks.conformance import check_network
from nasneurn.stems.conformance import check_stem
from nasneurn.studies.run import Execution
from search_spaces.conformance import check_space

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.fixture
def in_examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a user who runs a command in the folder of the examples."""
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize("name", NAMES)
def test_an_example_checks_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(f"{name}.py", run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize("name", NAMES)
def test_commands_of_the_docstrings_name_what_there_is(name: str) -> None:
    content = runpy.run_path(f"{name}.py")
    named = re.findall(rf"\b{name}:(\w+)", content["__doc__"])
    assert named
    assert set(named) <= set(content)


@pytest.mark.usefixtures("in_examples")
def test_the_examples_keep_what_is_asked_of_their_kind() -> None:
    from own_space import Tiny

    check_stem("own_stem:EdgeDetect")
    check_network("own_network:SmallCNN", classes=7, image_size=45)
    check_algorithm("own_algorithm:Mixup", classes=7, image_size=45)
    check_space(Tiny, (3, 32, 32))


@pytest.mark.slow
@pytest.mark.usefixtures("in_examples")
def test_a_stem_a_network_and_an_algorithm_of_ones_own_in_one_study(tmp_path: Path) -> None:
    study = nasneurn.bench(
        models="own_network:SmallCNN:width=8",
        stems="own_stem:EdgeDetect:weight=2.0",
        algorithms=["erm", "own_algorithm:Mixup:alpha=0.4"],
        sources="optdigits",
        targets="optdigits,street",
        seeds=1,
        changes={"epochs": 1, "train_images": 200, "batch_size": 32},
        out=tmp_path / "out",
        execution=Execution(device="cpu"),
    )
    rows = study.accuracy
    assert study.failures.empty
    assert set(rows["architecture"]) == {"own_network:SmallCNN:width=8"}
    assert set(rows["applied_stem"]) == {"own_stem:EdgeDetect:weight=2.0"}
    assert set(rows["algorithm"]) == {"erm", "own_algorithm:Mixup:alpha=0.4"}
    assert (rows.groupby("training")["target"].agg(list).map(set) == {"optdigits", "street"}).all()
    network = create_network("own_network:SmallCNN:width=8")
    assert set(rows["params"]) == {sum(weight.numel() for weight in network.parameters())}


@pytest.mark.usefixtures("in_examples")
def test_an_own_network_is_aligned_with_one_of_timm() -> None:
    alignment = nasneurn.align(["own_network:SmallCNN", "lcnet_050"], jobs=1)
    assert set(alignment.similarity.index) == {"own_network:SmallCNN", "lcnet_050"}
    assert alignment.similarity.loc["own_network:SmallCNN", "lcnet_050"] < 1


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize("alpha", [0.2, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_mixup_is_that_of_torchvision(alpha: float, seed: int) -> None:
    """Whose labels are mixed instead of the losses, which is the same for the cross-entropy."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    images, labels = torch.rand(6, 3, 4, 4), torch.arange(6) % 5
    torch.manual_seed(seed)
    loss = create_algorithm("own_algorithm:Mixup", alpha=alpha).loss(
        network, images, labels, F.cross_entropy
    )
    torch.manual_seed(seed)
    mixed, targets = MixUp(alpha=alpha, num_classes=5)(images, labels)
    torch.testing.assert_close(loss, F.cross_entropy(network(mixed), targets))


@pytest.mark.usefixtures("in_examples")
def test_a_share_that_cannot_be_drawn_is_told() -> None:
    with pytest.raises(InputError, match=r"own_algorithm:Mixup:alpha=0.*alpha is 0, must be above"):
        check_algorithm("own_algorithm:Mixup:alpha=0")


# ---------------------------------------------------------------- the suite of algorithms


@pytest.mark.parametrize("name", list_algorithms())
def test_algorithms_of_the_package_conform(name: str) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    check_algorithm(name)
    assert torch.equal(torch.get_rng_state(), before)


class Rule(ERM):
    """What the algorithms below break, each in its own way."""

    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        return super().loss(network, images, labels, criterion)


class Vector(Rule):
    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        return F.cross_entropy(network(images), labels, reduction="none")


class Number(Rule):
    def loss(self, *batch: Any) -> Any:
        return super().loss(*batch).item()


class Detached(Rule):
    def loss(self, *batch: Any) -> Any:
        return super().loss(*batch).detach()


class Constant(Rule):
    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        return 0 * super().loss(network, images, labels, criterion)


class OfSpread(Rule):
    """Not finite where all labels are one."""

    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        return super().loss(network, images, labels, criterion) / labels.float().std()


class SteepAtZero(Rule):
    """The slope of a root at zero."""

    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        logits = network(images)
        return criterion(logits, labels) + (logits - logits).abs().sqrt().sum()


class Writing(Rule):
    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        return super().loss(network, images.sub_(0.5), labels, criterion)


class Relabelling(Rule):
    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        return super().loss(network, images, labels.zero_(), criterion)


class Stepping(Rule):
    def loss(self, network: Any, *rest: Any) -> Any:
        with torch.no_grad():
            next(network.parameters()).mul_(0.9)
        return super().loss(network, *rest)


class Backward(Rule):
    def loss(self, *batch: Any) -> Any:
        loss = super().loss(*batch)
        loss.backward(retain_graph=True)
        return loss


class Evaluating(Rule):
    def loss(self, network: Any, *rest: Any) -> Any:
        return super().loss(network.eval(), *rest)


class Numpy(Rule):
    """Draws from a generator that no training seeds."""

    def loss(self, *batch: Any) -> Any:
        import numpy as np

        return super().loss(*batch) * np.random.default_rng().random()


class Counting(Rule):
    """Keeps something from batch to batch, which no checkpoint holds."""

    calls = 0

    def loss(self, *batch: Any) -> Any:
        self.calls += 1
        return super().loss(*batch) / self.calls


class Halves(Rule):
    """Needs four images."""

    def loss(self, network: Any, images: Any, labels: Any, criterion: Any) -> Any:
        first, second, *_ = images.split(2)
        return criterion(network(first), labels[:2]) + criterion(network(second), labels[2:4])


def function() -> Callable[[], None]:
    return lambda: None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Vector", r"its loss of a batch of 8 is \(8,\), must be a scalar tensor"),
        ("Number", "its loss of a batch of 8 is a float, must be a scalar tensor"),
        ("Detached", "gives no gradient to the network's weights"),
        ("Constant", "gives no gradient to the network's weights"),
        ("OfSpread", "its loss of a batch of 2 is inf, must be finite"),
        ("SteepAtZero", "gives gradients that are not finite"),
        ("Writing", "writes to the images or labels"),
        ("Relabelling", "writes to the images or labels"),
        ("Stepping", "changes the network's weights"),
        ("Backward", "calls backward"),
        ("Evaluating", "leaves the network in evaluation mode"),
        ("Numpy", "not the same for the same seed and batch"),
        ("Counting", "not the same for the same seed and batch"),
        ("Halves", "fails with ValueError: not enough values to unpack"),
        ("function", "is a function without the method loss"),
    ],
)
def test_algorithms_that_break_a_rule_are_told_which(name: str, told: str) -> None:
    path = f"{__name__}:{name}"
    with pytest.raises(InputError, match=f"^algorithm '{path}': .*{told}") as error:
        check_algorithm(path)
    assert "\n" not in str(error.value)


def test_a_study_refuses_such_an_algorithm_before_it_trains(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the same for the same seed and batch"):
        nasneurn.bench(
            "lcnet_050",
            stems="none",
            algorithms=["erm", f"{__name__}:Counting"],
            sources="optdigits",
            seeds=1,
            out=tmp_path / "out",
            execution=Execution(device="cpu"),
        )
    assert not (tmp_path / "out").exists()
