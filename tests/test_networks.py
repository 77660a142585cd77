"""Architectures by name as networks: how names are read, and what the rules for sizes decide."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alignment.zoo import ZOO
from nasneurn import backbones
from nasneurn.errors import InputError
from nasneurn.networks import Backbone, create_backbone, resolve_backbones
from nasneurn.stems import NeuRN

ROOT = Path(__file__).parents[1]
FOUND = ROOT / "results" / "search-spos-digits" / "architecture.json"

#: What the zoo needs for 32 x 32; the others run as published.
OF_ZOO = {
    "inceptionv3": "upsampled to 96",
    "inceptionresnetv2": "upsampled to 96",
    "vitb16": "img_size=32, patch_size=4",
    "vitb32": "img_size=32, patch_size=4",
    "vitl16": "img_size=32, patch_size=4",
    "vitl32": "img_size=32, patch_size=4",
}


def one(word: str) -> Backbone:
    (backbone,) = resolve_backbones([word])
    return backbone


def on_meta(word: str, size: int) -> tuple[nn.Module, str]:
    with torch.device("meta"):
        return create_backbone(one(word), 7, size)


def record(**changes: Any) -> dict[str, Any]:
    """What a search writes of the smallest SPOS network, found behind NeuRN."""
    return {
        "run": "print-neurn-0",
        "space": "spos",
        "settings": {"num_classes": 10, "image_size": 32, "width": 0.25, "blocks": [1, 1, 1, 1]},
        "stem": {"name": "neurn", "options": {}},
        "architecture": {f"layer_{place}": "k3" for place in range(1, 5)},
        "source_accuracy": 0.5,
        **changes,
    }


def write_records(path: Path, *records: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))
    return path


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["VGG19, resnet50v2"], [("vgg19", "vgg19"), ("resnet50v2", "resnetv2_50")]),
        (["vgg1?"], [(name, name) for name in ("vgg11", "vgg13", "vgg16", "vgg19")]),
        (["torchvision:resnet18"], [("torchvision:resnet18", "resnet18")]),
        (["timm:resnet18.a1_in1k"], [("timm:resnet18.a1_in1k", "resnet18")]),
        (["all"], [(known.name, known.timm) for known in ZOO]),
        # each once, whatever it is called
        (["vgg16,vgg16", "VGG16", "timm:vgg16"], [("vgg16", "vgg16")]),
    ],
)
def test_names_of_libraries(words: list[str], named: list[tuple[str, str]]) -> None:
    found = resolve_backbones(words)
    assert [(backbone.name, backbone.model) for backbone in found] == named
    assert all(backbone.found is None for backbone in found)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("resnet81", "unknown model 'resnet81': did you mean resnet"),
        ("nothing*", "no model matches 'nothing*'"),
        ("torchvision:resnet81", "torchvision has no image classifier 'resnet81': did you mean"),
        ("torchvision:fasterrcnn_resnet50_fpn", "torchvision has no image classifier"),
        ("timm:vgg91", "timm has no image classifier 'vgg91': did you mean vgg19"),
        ("/no/such/architecture.json", "/no/such/architecture.json: cannot be read"),
        (" , ", "no models"),
    ],
)
def test_unknown_names_are_told_in_one_line(word: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        resolve_backbones([word])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_the_module_is_light_and_backbones_are_plain_data(tmp_path: Path) -> None:
    code = (
        "import sys, nasneurn.networks\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'timm', 'nni'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    words = ["lcnet_050", str(write_records(tmp_path / "architecture.json", record()))]
    for backbone in resolve_backbones(words):
        assert Backbone.model_validate_json(backbone.model_dump_json()) == backbone


# ---------------------------------------------------------------- what searches found


def test_records_of_a_search(tmp_path: Path) -> None:
    path = write_records(tmp_path / "architecture.json", record(), record(run="print-none-0"))
    found = resolve_backbones([str(path)])
    # The same network, found twice, is one.
    assert [backbone.name for backbone in found] == ["spos/print-neurn-0"]
    other = {f"layer_{place}": "k7" for place in range(1, 5)}
    write_records(path, record(), record(run="print-none-0", architecture=other))
    names = [backbone.name for backbone in resolve_backbones([f"lcnet_050,{path}"])]
    assert names == ["lcnet_050", "spos/print-neurn-0", "spos/print-none-0"]
    (chosen,) = resolve_backbones([f"{path}#print-none-0"])
    assert chosen.found == {
        "space": "spos",
        "settings": record()["settings"],
        "architecture": other,
    }
    with pytest.raises(InputError, match="no run 'x'; it holds print-neurn-0, print-none-0"):
        resolve_backbones([f"{path}#x"])


def test_one_name_of_two_networks_is_refused(tmp_path: Path) -> None:
    first = write_records(tmp_path / "first.json", record())
    other = {f"layer_{place}": "k7" for place in range(1, 5)}
    second = write_records(tmp_path / "second.json", record(architecture=other))
    with pytest.raises(InputError, match="spos/print-neurn-0 names two architectures"):
        resolve_backbones([str(first), str(second)])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read as found architectures"),
        ("[]", "holds no list of found architectures"),
        ('["k3"]', "record 0 is no found architecture: no 'run'"),
        ('[{"run": "a", "space": "spos"}]', "record 0 is no found architecture: no 'settings'"),
    ],
)
def test_files_that_are_no_records(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "architecture.json"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        resolve_backbones([str(path)])


def test_a_found_network_is_rebuilt_without_its_stem() -> None:
    """The search counted its parameters when it found it, for ten classes."""
    records = json.loads(FOUND.read_text())
    found = resolve_backbones([str(FOUND)])
    assert len(found) == len(records)
    for backbone, about in list(zip(found, records, strict=True))[:2]:
        network, adaptation = create_backbone(backbone, 10, 32)
        assert adaptation == "as found"
        assert sum(weight.numel() for weight in network.parameters()) == about["params"]
        assert not any(isinstance(module, NeuRN) for module in network.modules())
    network, _ = create_backbone(found[0], 3, 32)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"space": "darts"}, "is of space 'darts', must be one of"),
        ({"settings": {"image_size": 64}}, "was found for images of 64 pixels; it cannot take 32"),
        ({"settings": {"image_size": 32, "depth": 3}}, "cannot be built: .*depth"),
        ({"architecture": {"layer_1": "k3"}}, "cannot be built: .*layer_2"),
        ({"architecture": {f"layer_{place}": "k9" for place in range(1, 5)}}, "cannot be built"),
    ],
)
def test_records_that_cannot_be_rebuilt(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = write_records(tmp_path / "architecture.json", record(**changes))
    with pytest.raises(InputError, match=f"/print-neurn-0 {told}"):
        create_backbone(one(str(path)), 10, 32)


# ---------------------------------------------------------------- representatives


def write_representatives(path: Path, *chosen: str, column: str = "representative") -> None:
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["cluster", column, "medoid", "member"])
        for place, name in enumerate(chosen, start=1):
            table.writerow([place, name, "resnet50", name])
            table.writerow([place, name, "resnet50", "another"])


def test_representatives_of_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_representatives(Path("results/align/representatives.csv"), "vgg16", "resnet50v2")
    assert [one.name for one in resolve_backbones(["representatives"])] == ["vgg16", "resnet50v2"]
    deep = {f"layer_{place}": "xcep" for place in range(1, 5)}
    write_records(Path("results/search-a/architecture.json"), record(source_accuracy=0.7))
    write_records(
        Path("results/search-b/architecture.json"),
        record(run="b-0", source_accuracy=0.6),
        record(run="b-1", source_accuracy=0.8, architecture=deep),
        record(run="b-2", source_accuracy=0.1, space="another"),
    )
    names = [one.name for one in resolve_backbones(["representatives,vgg16,lcnet_050"])]
    assert names == ["vgg16", "resnet50v2", "spos/b-1", "another/b-2", "lcnet_050"]


def test_a_table_without_representatives_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_representatives(Path("results/align/representatives.csv"), "vgg16", column="name")
    with pytest.raises(InputError, match="no column 'representative'"):
        resolve_backbones(["representatives"])


@pytest.mark.slow
def test_representatives_without_results_are_those_of_a_new_alignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (ROOT / "results" / "align" / "representatives.csv").open(newline="") as file:
        known = list(dict.fromkeys(row["representative"] for row in csv.DictReader(file)))
    monkeypatch.chdir(tmp_path)
    assert [one.name for one in resolve_backbones(["representatives"])] == known


# ---------------------------------------------------------------- sizes


def of_zoo() -> Iterator[Any]:
    """All 44; of a family that runs as published, all but the first are slow."""
    families = set()
    for known in ZOO:
        repeated = known.family in families and known.name not in OF_ZOO
        families.add(known.family)
        yield pytest.param(known.name, marks=[pytest.mark.slow] if repeated else [])


@pytest.mark.parametrize("name", of_zoo())
def test_the_zoo_takes_small_images(name: str) -> None:
    network, adaptation = on_meta(name, 32)
    assert adaptation == OF_ZOO.get(name, "as published")
    assert network.eval()(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 7)


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        # patches of 4 pixels give 8 x 8 of them already
        ("swin_tiny_patch4_window7_224", 32, "img_size=32"),
        ("maxvit_tiny_tf_224", 32, "img_size=32"),
        ("levit_128s", 32, "img_size=32"),
        ("vit_tiny_patch16_224", 64, "img_size=64, patch_size=8"),
        ("vit_tiny_patch16_224", 128, "img_size=128"),
        ("vit_tiny_patch16_224", 224, "as published"),
        ("vit_tiny_patch16_224", 256, "img_size=256"),
        # its patches cannot be chosen
        ("mixer_s32_224", 32, "upsampled to 224"),
        ("inception_v3", 299, "as published"),
        ("mobilenetv3_small_100", 224, "as published"),
        ("torchvision:resnet18", 32, "as published"),
        ("torchvision:googlenet", 32, "as published"),
        ("torchvision:inception_v3", 32, "upsampled to 96"),
        ("torchvision:alexnet", 32, "upsampled to 64"),
        ("torchvision:vgg11", 28, "upsampled to 32"),
        ("torchvision:vit_b_16", 32, "upsampled to 224"),
    ],
)
def test_adaptations(name: str, size: int, told: str) -> None:
    network, adaptation = on_meta(name, size)
    assert adaptation == told
    assert network(torch.empty(2, 3, size, size, device="meta")).shape == (2, 7)


def test_images_are_enlarged_only_as_far_as_needed() -> None:
    network, _ = on_meta("torchvision:inception_v3", 32)
    enlarge, published = network
    assert enlarge(torch.rand(1, 3, 32, 32)).shape == (1, 3, 96, 96)
    with pytest.raises(RuntimeError):
        published(torch.empty(2, 3, 64, 64, device="meta"))


class Cropped(nn.Module):
    """Logits of a map that is empty below 41 pixels: their shape alone does not tell."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.crop = nn.ZeroPad2d((-20, -20, -20, -20))
        self.linear = nn.Linear(3, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.crop(x).mean((2, 3)))
        return logits


@pytest.fixture
def uncached() -> Iterator[None]:
    """No network and no decision of another test."""
    for function in (backbones._adaptation, backbones._on_meta):
        function.cache_clear()
    yield
    for function in (backbones._adaptation, backbones._on_meta):
        function.cache_clear()


@pytest.mark.usefixtures("uncached")
def test_an_empty_map_is_no_running_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_build", lambda _, classes, __: Cropped(classes))
    network, adaptation = create_backbone(one("torchvision:vgg11"), 4, 40)
    assert adaptation == "upsampled to 64"
    assert network(torch.rand(2, 3, 40, 40)).isfinite().all()


@pytest.mark.parametrize(
    ("name", "size"), [("torchvision:vit_b_16", 256), ("efficientformer_l1", 320)]
)
def test_what_no_rule_helps_is_told(name: str, size: int) -> None:
    with pytest.raises(InputError, match=f"{name} cannot take images of {size} pixels"):
        on_meta(name, size)


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize(
    "name",
    ["mobilenetv3_small_100", "lcnet_050", "vit_tiny_patch16_224", "torchvision:alexnet"],
)
def test_a_network_learns(name: str) -> None:
    torch.manual_seed(0)
    network, _ = create_backbone(one(name), 5, 32)
    logits = network(torch.rand(4, 3, 32, 32))
    assert logits.shape == (4, 5)
    F.cross_entropy(logits, torch.arange(4)).backward()
    for weight in network.parameters():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize(
    "name",
    ["lcnet_050", "vit_tiny_patch16_224", f"{FOUND}#mnist-none-0"],
    ids=["lcnet", "vit", "found"],
)
def test_a_seed_gives_weights_whether_or_not_the_adaptation_is_known(name: str) -> None:
    made = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        network, _ = create_backbone(one(name), 5, 32)
        made.append((network.state_dict(), torch.get_rng_state()))
    (first, state), (again, state_again), (other, _) = made
    assert torch.equal(state, state_again)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)
