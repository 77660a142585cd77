"""Algorithms in trainings: each trains, is continued to the same end, and is refused in time."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from breaking_off import Stop, StopAt
from torch import nn

import nasneurn
from nasneurn.algorithms import ERM, create_algorithm, list_algorithms
from nasneurn.algorithms.conformance import check_algorithm
from nasneurn.algorithms.requirements import check_data
from nasneurn.algorithms.stages import stage_ends
from nasneurn.choices import Choice
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.networks import create_network
from nasneurn.progress import meter
from nasneurn.report.remake import remake
from nasneurn.studies.run import Execution
from nasneurn.training.early_stopping import HeldOutSelection
from nasneurn.training.evaluation import accuracy
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import Optimization

CPU = torch.device("cpu")
#: By name: those that need several sources get them made, those with phases have them in time.
TRAINED = {
    **{name: name for name in list_algorithms()},
    "dann": "dann:pseudo=randconv",
    "coral": "coral:pseudo=randconv",
    "ada": "ada:every=15,phases=2,ascent=3",
    "me_ada": "me_ada:every=15,phases=2,ascent=3",
    "ema": "ema:decay=0.9",
}


@lru_cache
def digits() -> tuple[DeviceImages, DeviceImages]:
    """Some built-in digits, to train on and to measure on."""
    split = load_suite("builtin").images("optdigits", "train")
    rows = np.random.default_rng(0).permutation(len(split))
    return tuple(DeviceImages.of(split, CPU, rows[part]) for part in (slice(320), slice(320, 620)))  # type: ignore[return-value]


def small_convnet() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 12, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(12, 24, 5),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(600, 10),
    )


def trained(
    name: str, passes: int, *, last: bool = False, sizes: tuple[int, ...] = (), **options: Any
) -> tuple[nn.Module, HeldOutSelection]:
    data, held_out = digits()
    network, every = options.pop("made", small_convnet)(), len(data) // 32
    selection = HeldOutSelection(held_out, every, passes, last=last)
    callbacks = [selection, *options.pop("callbacks", ())]
    loader = ShuffledBatches(data, 32, every * passes, seed=3, sizes=sizes)
    algorithm = create_algorithm(name)
    with meter("training", len(loader), shown=False) as progress:
        fit(network, loader, Optimization(3e-3), algorithm, 5, CPU, progress,
            callbacks=callbacks, **options)  # fmt: skip
    return network, selection


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAINED))
def test_it_trains(name: str) -> None:
    network, selection = trained(TRAINED[name], 6)
    losses = [record["loss"] for record in selection.history]
    assert losses[-1] < losses[0]
    assert accuracy(network.eval(), digits()[1]) > 0.5  # by chance 0.1


@pytest.mark.slow
@pytest.mark.parametrize("at", [4, 9, 13])  # between two phases, at the end of a pass, after all
@pytest.mark.parametrize(
    "name",
    ["ada:every=3,phases=3,ascent=2", "dann:pseudo=fourier", "ema:decay=0.8", "swa:start=0.2",
     "mixstyle", "randconv"],
)  # fmt: skip
def test_a_training_broken_off_ends_as_if_it_never_was(tmp_path: Path, name: str, at: int) -> None:
    whole_network, whole = trained(name, 2)
    path = tmp_path / "state.ckpt"
    with pytest.raises(Stop):
        trained(name, 2, callbacks=[StopAt(path, at)])
    network, continued = trained(name, 2, resume_from=path)

    def results(selection: HeldOutSelection) -> list[tuple[float, ...]]:
        return [(r["epoch"], r["loss"], r["held_out_accuracy"]) for r in selection.history]

    assert results(continued) == results(whole)
    for key, tensor in whole_network.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key])


@pytest.mark.slow
def test_the_average_is_measured_on_held_out_images_and_in_the_end() -> None:
    ends = {}
    for last in (False, True):
        network, selection = trained("ema:decay=0.9", 3, last=last)
        plain, _ = trained("erm", 3, last=True)
        kept = dict(network.named_parameters())
        # Steps are those of plain training: the average is only measured.
        assert not torch.equal(kept["0.weight"], dict(plain.named_parameters())["0.weight"])
        got = accuracy(network.eval(), digits()[1])
        assert got == selection.best["held_out_accuracy"]
        ends[last] = selection
    assert [r["loss"] for r in ends[True].history] == [r["loss"] for r in ends[False].history]


class Recording(ERM):
    """Notes which domains it is told."""

    told: ClassVar[list[tuple[torch.Tensor, torch.Tensor]]] = []

    def loss(self, network: Any, images: Any, labels: Any, criterion: Any, domains: Any) -> Any:  # type: ignore[override]
        self.told.append((images, domains))
        return super().loss(network, images, labels, criterion)


@pytest.mark.parametrize("parts", [1, 2])
def test_those_that_ask_are_told_of_which_source_each_image_is(parts: int) -> None:
    Recording.told.clear()
    sizes = (7, 20, 13)
    shades = torch.repeat_interleave(torch.tensor([10, 20, 30], dtype=torch.uint8),
                                     torch.tensor(sizes))  # fmt: skip
    data = DeviceImages(shades.view(-1, 1, 1, 1).expand(-1, 3, 8, 8), torch.arange(40) % 2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    loader = ShuffledBatches(data, 8, 12 * parts, seed=0, parts=parts, sizes=sizes)
    with meter("training", len(loader), shown=False) as progress:
        fit(network, loader, Optimization(), Recording(), 0, CPU, progress,
            accumulate_grad_batches=parts)  # fmt: skip
    assert len(Recording.told) == 12 * parts
    for images, domains in Recording.told:
        shade = (images[:, 0, 0, 0] * 255).round().long()
        assert torch.equal(shade, 10 * (domains + 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAINED))
def test_it_trains_in_half_precision(name: str) -> None:
    network, _ = trained(TRAINED[name], 2, precision="bf16-mixed")
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert accuracy(network.eval(), digits()[1]) > 0.2


@pytest.mark.parametrize("name", ["randconv", "pro_randconv", "fourier", "trivial_augment"])
def test_augmentations_are_in_full_precision(name: str) -> None:
    algorithm: Any = create_algorithm(name)
    images = digits()[0].pixels(np.arange(8))
    torch.manual_seed(0)
    want = algorithm.augment(images)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(algorithm.augment(images), want)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dann:pseudo=fourier", "mixstyle", "sam", "ema"])
def test_a_compiled_network_is_trained_as_one_that_is_not(name: str) -> None:
    plain, selection = trained(name, 2)

    def compiled() -> nn.Module:
        network = small_convnet()
        network.compile(backend="eager")
        return network

    network, other = trained(name, 2, made=compiled)
    for one, two in zip(plain.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, two)
    scores = [[r["held_out_accuracy"] for r in each.history] for each in (selection, other)]
    assert scores[0] == pytest.approx(scores[1], abs=0.01)


class Steps(ERM):
    """Notes when it is told of steps."""

    told: ClassVar[list[tuple[str, int]]] = []

    def before_step(self, network: Any, step: int) -> None:
        self.told.append(("before", step))

    def after_step(self, network: Any, step: int) -> None:
        self.told.append(("after", step))


@pytest.mark.parametrize("parts", [1, 2])
def test_hooks_are_told_of_steps_not_of_parts_of_batches(parts: int) -> None:
    Steps.told.clear()
    data, _ = digits()
    loader = ShuffledBatches(data, 32, 3 * parts, seed=0, parts=parts)
    with meter("training", len(loader), shown=False) as progress:
        fit(small_convnet(), loader, Optimization(), Steps(), 0, CPU, progress,
            accumulate_grad_batches=parts)  # fmt: skip
    assert Steps.told == [
        ("before", 0), ("after", 1), ("before", 1), ("after", 2), ("before", 2), ("after", 3),
    ]  # fmt: skip


# ---------------------------------------------------------------- where stages end


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("digits_convnet", ["1", "4"]),
        ("resnet18", ["layer1", "layer2"]),  # as in the paper
        ("torchvision:resnet50", ["layer1", "layer2"]),
        ("vgg16", ["features.3", "features.8"]),
        ("densenet121", ["features.transition1.conv", "features.transition2.conv"]),
        ("efficientnet_b0", ["blocks.0", "blocks.1"]),
        ("convnext_tiny", ["stages.0", "stages.1"]),
    ],
)
def test_stages_end_where_they_are_said_to(name: str, places: list[str]) -> None:
    body = create_network(name, adaptation="as-published")
    named = {id(module): path for path, module in body.named_modules()}
    network = nn.Sequential(nn.Sequential(nn.Identity(), nn.Identity()), body)
    ends = stage_ends(network, torch.rand(2, 3, 32, 32), 2)
    assert [named[id(module)] for module in ends] == places


def test_a_network_of_tokens_has_no_stages() -> None:
    network = create_network("vit_tiny_patch16_224")
    with pytest.raises(InputError, match="no stage of maps that ends; mixstyle is for convolu"):
        stage_ends(network, torch.rand(2, 3, 32, 32), 2)


# ---------------------------------------------------------------- in a study


def study(out: Path, algorithms: str, sources: str) -> Any:
    return nasneurn.bench(
        "digits_convnet",
        stems="none,neurn",
        algorithms=algorithms,
        sources=sources,
        targets="optdigits,street",
        seeds=1,
        changes={"epochs": 1, "train_images": 100, "batch_size": 32},
        out=out / "out",
        execution=Execution(device="cpu"),
    )


@pytest.mark.slow
def test_a_study_of_several_sources_and_stems(tmp_path: Path) -> None:
    done = study(tmp_path, "coral:of=features,dann,randconv:consistency=0", "optdigits+print")
    assert done.failures.empty
    rows = done.accuracy
    assert set(rows["algorithm"]) == {"coral:of=features", "dann", "randconv:consistency=0"}
    assert set(rows["stem"]) == {"none", "neurn"}
    assert len(rows) == 12

    # Results of before, when RandConv was a stem, can be read and drawn.
    folder = tmp_path / "out"
    for path in [*folder.rglob("*.yaml"), *folder.rglob("*.csv"), *folder.rglob("*.jsonl")]:
        path.write_text(re.sub(r"\bneurn\b", "randconv", path.read_text()))
    old = nasneurn.load_results(folder)
    assert set(old.accuracy["stem"]) == {"none", "randconv"}
    assert remake(old)


@pytest.mark.parametrize("name", ["dann", "coral"])
def test_a_single_source_is_refused_before_the_first_training(tmp_path: Path, name: str) -> None:
    told = (
        f"algorithm '{name}' needs 2 sources or more and has optdigits alone; join several, as in "
        f"optdigits[+]OTHER, or domains that are made of it, as in {name}:pseudo=randconv$"
    )
    with pytest.raises(InputError, match=told):
        study(tmp_path, f"erm,{name}", "optdigits")
    assert not (tmp_path / "out").exists()


def test_pseudo_domains_of_a_class_with_one_image_are_refused() -> None:
    choice = Choice.parse("dann:pseudo=randconv")
    algorithm = create_algorithm(str(choice))
    names = ["cat", "dog", "eel"]
    check_data(algorithm, choice, "photos", np.array([0, 0, 1, 1]), names)  # none is none
    with pytest.raises(InputError, match=r"class 'eel' of photos has 1 to train on$"):
        check_data(algorithm, choice, "photos", np.array([0, 0, 1, 1, 2]), names)
    check_data(ERM(), Choice(name="erm"), "photos", np.array([0]), names)


# ---------------------------------------------------------------- hooks that break a rule


class Keeping(ERM):
    """Keeps from step to step what no checkpoint holds."""

    def prepare(self, network: Any, task: Any) -> Any:
        self.steps = 0

    def after_step(self, network: Any, step: int) -> None:
        self.steps = step

    def loss(self, *batch: Any) -> Any:
        return super().loss(*batch) * (1 + self.steps)


class Number(ERM):
    def prepare(self, network: Any, task: Any) -> Any:
        return 3


class Evaluating(ERM):
    def prepare(self, network: Any, task: Any) -> Any:
        network.eval()


class Stranger(ERM):
    def measured(self, network: Any) -> Any:
        return nn.Linear(2, 2)


class Kept(Keeping):
    """Keeps the same where a checkpoint holds it."""

    def prepare(self, network: Any, task: Any) -> Any:
        own = nn.Module()
        own.register_buffer("steps", torch.zeros(()))
        self.own = own
        return own

    def after_step(self, network: Any, step: int) -> None:
        self.own.steps.fill_(step)

    def loss(self, *batch: Any) -> Any:
        return ERM.loss(self, *batch) * (1 + self.own.steps)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Keeping", "continued differs .* must be in the module that prepare gives"),
        ("Number", "its prepare gives a int, must be a module or None"),
        ("Evaluating", "its prepare leaves the network in evaluation mode"),
        ("Stranger", "its measured gives no module with the weights of the network"),
    ],
)
def test_hooks_that_break_a_rule_are_told_which(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        check_algorithm(f"{__name__}:{name}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [f"{__name__}:Kept", f"{__name__}:Recording", *TRAINED.values()])
def test_those_that_keep_the_rules_conform(name: str) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    check_algorithm(name, classes=7, image_size=28)
    assert torch.equal(torch.get_rng_state(), before)
