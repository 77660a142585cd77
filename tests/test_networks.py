"""Networks by name: how names are read, and what the rules for sizes decide."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

import nasneurn
from alignment.zoo import MAPS, PUBLISHED
from nasneurn.cli import app
from nasneurn.errors import InputError
from nasneurn.networks import adaptation, build, read_found, write_found
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.build import create_network, describe
from nasneurn.networks.conformance import check_network
from nasneurn.networks.found import FoundArchitecture
from nasneurn.networks.names import resolve_architectures
from nasneurn.networks.traced import gather
from nasneurn.stems import NeuRN
from search_spaces.costs import network_cost

#: The published networks that give classes; the four others give a value for each pixel.
CLASSIFIERS = [known for known in PUBLISHED if known.family != MAPS]

#: What these need for 32 x 32; the others run as published.
OF_ZOO = {
    "inceptionv3": "upsampled to 96",
    "inceptionResnetv2": "upsampled to 96",
    "inception_V3": "upsampled to 96",
    # The window of its last pooling is fixed, and so is the number of its patches.
    "ibn": "upsampled to 224",
    "vit": "upsampled to 224",
}

#: Those that are defined here, since no library has them.
DESIGNED = [known.name for known in CLASSIFIERS if known.builder.startswith("design:")]


def one(word: str) -> Architecture:
    (architecture,) = resolve_architectures([word])
    return architecture


def on_meta(word: str, size: int) -> tuple[nn.Module, str]:
    with torch.device("meta"):
        return create_network(one(word), 7, size)


def choices(kernel: str) -> dict[str, str]:
    return {f"layer_{place}": kernel for place in range(1, 5)}


def found(**changes: Any) -> FoundArchitecture:
    """What a search writes of the smallest SPOS network, found behind NeuRN."""
    fields: dict[str, Any] = {
        "name": "spos/print-neurn-0",
        "space": "spos",
        "settings": {"num_classes": 10, "image_size": 32, "width": 0.25, "blocks": [1, 1, 1, 1]},
        "choices": choices("k3"),
        "stem": {"name": "neurn"},
        "suite": "builtin",
        "source": "print",
        "held_out_accuracy": 0.5,
    }
    return FoundArchitecture.model_validate({**fields, **changes})


def write(path: Path, *records: FoundArchitecture) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_found(path, records)
    return str(path)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["VGG19, resnet50v2"], [("vgg19", "vgg19"), ("resnet50v2", "resnetv2_50")]),
        (["vgg1?"], [(name, name) for name in ("vgg16", "vgg19", "vgg11", "vgg13")]),
        (["torchvision:resnet18"], [("torchvision:resnet18", "resnet18")]),
        (["timm:resnet18.a1_in1k"], [("timm:resnet18.a1_in1k", "resnet18")]),
        (["all"], [(one.name, one.builder.partition(":")[2]) for one in CLASSIFIERS]),
        (["design:cornet_s"], [("design:cornet_s", "cornet_s")]),
        # each once, whatever it is called
        (["vgg16,vgg16", "VGG16", "timm:vgg16"], [("vgg16", "vgg16")]),
        (["digits_convnet"], [("digits_convnet", "digits_convnet")]),
        (["own_networks:SmallCNN"], [("own_networks:SmallCNN", "own_networks:SmallCNN")]),
        (
            ["own_networks:SmallCNN:width=16,own_networks:SmallCNN:width=8"],
            [
                ("own_networks:SmallCNN:width=16", "own_networks:SmallCNN"),
                ("own_networks:SmallCNN", "own_networks:SmallCNN"),
            ],
        ),
    ],
)
def test_names(words: list[str], named: list[tuple[str, str]]) -> None:
    resolved = resolve_architectures(words)
    assert [(architecture.name, architecture.model) for architecture in resolved] == named
    assert all(architecture.found is None for architecture in resolved)


def test_a_list_of_models_may_name_own_networks_once_it_is_trusted(tmp_path: Path) -> None:
    record = write(tmp_path / "found.json", found())
    words = ["own_networks:SmallCNN:width=16", "vgg16", f"{record}#best", "resnet1?"]
    listed = tmp_path / "models.txt"
    listed.write_text("# mine\n" + "\n".join(words) + "  # and more\n")
    with pytest.raises(InputError, match=r"names code .*SmallCNN.*--trust-code"):
        resolve_architectures([str(listed)])
    both = [resolve_architectures(words), resolve_architectures([str(listed)], trust_code=True)]
    assert both[0] == both[1]
    assert [one.library for one in both[0]][:3] == ["own", "timm", "found"]


def test_a_library_that_defines_a_model_is_named_with_its_version() -> None:
    from importlib.metadata import version

    assert one("resnet18").version == version("timm")
    assert one("torchvision:resnet18").version == version("torchvision")
    assert one("CORnet").version == version("nasneurn")
    assert one("digits_convnet").version == ""


def test_what_the_names_of_the_zoo_stand_for() -> None:
    """A name of timm is timm's, whatever a row of the table is built by."""
    assert (one("resnet18").library, one("resnet_ssl_facebook").library) == ("timm", "torchvision")
    assert len(CLASSIFIERS) == 40
    assert {one(name).library for name in DESIGNED} == {"design"}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("resnet81", "unknown model 'resnet81': did you mean resnet"),
        ("nothing*", "no model matches 'nothing*'"),
        ("torchvision:resnet81", "torchvision has no image classifier 'resnet81'; did you mean"),
        ("torchvision:fasterrcnn_resnet50_fpn", "torchvision has no image classifier"),
        ("u-net", "u-net gives a map, no classes"),
        ("deeplabv3", "deeplabv3 gives a map, no classes"),
        ("keras:VGG16", "keras:VGG16 is a Keras model, which can be aligned but not trained here"),
        ("design:cornet_z", "design has no image classifier 'cornet_z'; did you mean 'cornet_s'"),
        ("timm:vgg91", "timm has no image classifier 'vgg91'; did you mean 'vgg19'"),
        ("/no/such/architecture.json", "/no/such/architecture.json: cannot be read"),
        (" , ", "no models"),
        ("own_networks:Missing", "cannot be imported"),
        ("own_networks:SmallCNN:widht=3", "did you mean 'width'"),
        ("digits_convnet:width=3", "has none"),
    ],
)
def test_unknown_names_are_told_in_one_line(word: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        resolve_architectures([word])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_the_module_is_light_and_architectures_are_plain_data(tmp_path: Path) -> None:
    code = (
        "import sys, nasneurn.networks\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'timm', 'nni'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    words = ["lcnet_050", write(tmp_path / "architecture.json", found())]
    for architecture in resolve_architectures(words):
        assert Architecture.model_validate_json(architecture.model_dump_json()) == architecture


def test_a_registered_network_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from own_networks import SmallCNN

    from nasneurn.networks.own import NETWORKS

    monkeypatch.setattr(NETWORKS, "_makers", dict(NETWORKS._makers))
    nasneurn.register_network("small_cnn", SmallCNN)
    assert "small_cnn" in nasneurn.list_networks()
    network = nasneurn.create_network("small_cnn:width=4", classes=3, image_size=16)
    assert network(torch.rand(2, 3, 16, 16)).shape == (2, 3)
    with pytest.raises(InputError, match="there is a network 'small_cnn' already"):
        nasneurn.register_network("small_cnn", nn.Identity)
    for name, maker, told in (
        ("resnet18", SmallCNN, "there is a network 'resnet18' already"),
        (3, SmallCNN, "3 cannot name a network"),
        ("mine", "SmallCNN", "'SmallCNN' makes no network"),
    ):
        with pytest.raises(InputError, match=told):
            nasneurn.register_network(name, maker)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="3 is no space"):
        nasneurn.register_space("mine", 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Failing", "cannot take images of 32 pixels"),
        ("Maps", "must give logits"),
        ("Restless", "random in evaluation"),
        ("Forgetful", "state dict computes something else"),
        ("Weightless", "gradient"),
    ],
)
def test_networks_that_cannot_be_trained_do_not_conform(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_network(f"own_networks:{name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_convnet", "own_networks:SmallCNN", "lcnet_050"])
def test_good_networks_conform(name: str) -> None:
    check_network(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_convnet", "lcnet_050", "torchvision:alexnet"])
def test_a_description_counts_what_is_built(name: str) -> None:
    """Against the counter of the search spaces, and with the generator left alone."""
    before = torch.get_rng_state()
    described = describe(one(name), 10, 32)
    assert torch.equal(torch.get_rng_state(), before)
    network, adapted = create_network(one(name), 10, 32)
    counted = network_cost(network, (3, 32, 32))
    assert (described.flops, described.params) == (counted.flops, counted.params)
    assert described.adaptation == adapted


def test_the_literatures_network() -> None:
    """Its parameters, layer by layer: 5x5x3x64, 5x5x64x128, 3200x1024, 1024x1024, 1024x10."""
    counted = sum(
        weight.numel() for weight in nasneurn.create_network("digits_convnet").parameters()
    )
    assert counted == (
        (75 * 64 + 64) + (1600 * 128 + 128) + (3200 * 1024 + 1024) + (1024**2 + 1024) + 10250
    )


# ---------------------------------------------------------------- what searches found


def test_records_of_a_search(tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"
    other = found(name="spos/print-none-0", choices=choices("k7"), held_out_accuracy=0.6)
    write(path, found(), other)
    assert read_found(path) == [found(), other]
    names = [one.name for one in resolve_architectures([f"lcnet_050,{path}"])]
    assert names == ["lcnet_050", "spos/print-neurn-0", "spos/print-none-0"]
    for word in (f"{path}#print-none-0", f"{path}#spos/print-none-0", f"{path}#best"):
        (chosen,) = resolve_architectures([word])
        assert chosen.found == other
    with pytest.raises(InputError, match="no architecture 'x'; it holds spos/print-neurn-0, spos"):
        resolve_architectures([f"{path}#x"])


def test_a_stem_of_foreign_code_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"
    one = found(stem={"name": "evil:Stem"})
    write(path, one)
    with pytest.raises(InputError, match=r"names code .* \(evil:Stem\); say --trust-code"):
        resolve_architectures([str(path)])
    assert read_found(path, trust_code=True) == [one]


def test_the_best_is_of_one_source(tmp_path: Path) -> None:
    """Held-out accuracies of different sources are not compared."""
    path = tmp_path / "architecture.json"
    easy = found(name="spos/easy-none-0", source="easy", held_out_accuracy=0.9)
    write(path, found(), easy)
    with pytest.raises(InputError, match=r"several sources \(print, easy\).*#best:SOURCE"):
        resolve_architectures([f"{path}#best"])
    (chosen,) = resolve_architectures([f"{path}#best:print"])
    assert chosen.name == "spos/print-neurn-0"
    with pytest.raises(InputError, match="nothing found on the source 'mars'"):
        resolve_architectures([f"{path}#best:mars"])


def test_one_name_of_two_networks_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "first.json", found())
    second = write(tmp_path / "second.json", found(choices=choices("k7")))
    with pytest.raises(InputError, match="spos/print-neurn-0 names two architectures"):
        resolve_architectures([first, second])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read as found architectures"),
        ("[]", "holds no list of found architectures"),
        ('["k3"]', "record 0 is no found architecture"),
        ('[{"name": "a", "space": "spos"}]', "record 0 is no found architecture: settings"),
        ("[" * 5000, "cannot be read as found architectures"),
    ],
)
def test_files_that_are_no_records(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "architecture.json"
    path.write_text(text)
    for read in (resolve_architectures, gather):
        with pytest.raises(InputError, match=told):
            read([str(path)])


def test_a_record_runs_no_code_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil_space.py").write_text("open('was_run', 'w')")
    path = write(tmp_path / "architecture.json", found(space="evil_space:Space"))
    for read in (resolve_architectures, gather):
        with pytest.raises(InputError, match="--trust-code"):
            read([path])
    assert not Path("was_run").exists()


def test_a_found_network_is_rebuilt_without_its_stem_for_other_classes_and_sizes(
    tmp_path: Path,
) -> None:
    architecture = one(write(tmp_path / "architecture.json", found()))
    network, adapted = create_network(architecture, 3, 32)
    assert adapted == "as found"
    assert not any(isinstance(module, NeuRN) for module in network.modules())
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    larger, adapted = create_network(architecture, 3, 64)
    assert adapted == "for 64"
    assert larger(torch.rand(2, 3, 64, 64)).shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"space": "darts"}, "darts"),
        ({"settings": {"image_size": 32, "depth": 3}}, "depth"),
        ({"choices": {"layer_1": "k3"}}, "no such architecture: .*layer_2"),
        ({"choices": choices("k9")}, "no such architecture"),
    ],
)
def test_records_that_cannot_be_rebuilt(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    architecture = Architecture(name="x", library="found", found=found(**changes))
    with pytest.raises(ValueError, match=told) as error:
        create_network(architecture, 10, 32)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- representatives


@pytest.mark.slow
def test_representatives_are_those_of_the_classifiers_alignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the command chooses them, and whatever lies in the folder of its results."""
    monkeypatch.chdir(tmp_path)
    listed = ",".join(known.name for known in CLASSIFIERS)
    answer = CliRunner().invoke(
        app,
        ["align", "--models", listed, "--preset", "recommended", "--no-figures", "--out", "out"],
    )
    assert answer.exit_code == 0, answer.output
    with Path("out/representatives.csv").open(newline="") as file:
        known = list(dict.fromkeys(row["representative"] for row in csv.DictReader(file)))
    Path("results/align").mkdir(parents=True)
    Path("results/align/representatives.csv").write_text("representative\nvgg16\n")
    assert [one.name for one in resolve_architectures(["representatives"])] == known
    assert len(known) == 10


# ---------------------------------------------------------------- sizes


def of_zoo() -> Iterator[Any]:
    """All that classify; of a family that runs as published, all but the first are slow."""
    families = set()
    for known in CLASSIFIERS:
        repeated = known.family in families and known.name not in OF_ZOO
        families.add(known.family)
        yield pytest.param(known.name, marks=[pytest.mark.slow] if repeated else [])


@pytest.mark.slow
@pytest.mark.parametrize("name", of_zoo())
def test_the_zoo_takes_small_images(name: str) -> None:
    network, adapted = on_meta(name, 32)
    assert adapted == OF_ZOO.get(name, "as published")
    assert network.eval()(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 7)


@pytest.mark.slow
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
    network, adapted = on_meta(name, size)
    assert adapted == told
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
    for function in (adaptation.adaptation_of, adaptation._on_meta):
        function.cache_clear()
    yield
    for function in (adaptation.adaptation_of, adaptation._on_meta):
        function.cache_clear()


@pytest.mark.usefixtures("uncached")
def test_an_empty_map_is_no_running_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (adaptation, build):
        monkeypatch.setattr(module, "build_library", lambda _, classes, __: Cropped(classes))
    network, adapted = create_network(one("torchvision:vgg11"), 4, 40)
    assert adapted == "upsampled to 64"
    assert network(torch.rand(2, 3, 40, 40)).isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("torchvision:vit_b_16", 256), ("efficientformer_l1", 320)]
)
def test_what_no_rule_helps_is_told(name: str, size: int) -> None:
    with pytest.raises(InputError, match=f"{name} cannot take images of {size} pixels"):
        on_meta(name, size)


# ---------------------------------------------------------------- networks


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["mobilenetv3_small_100", "lcnet_050", "vit_tiny_patch16_224", "torchvision:alexnet"],
)
def test_a_network_learns(name: str) -> None:
    torch.manual_seed(0)
    network, _ = create_network(one(name), 5, 32)
    logits = network(torch.rand(4, 3, 32, 32))
    assert logits.shape == (4, 5)
    F.cross_entropy(logits, torch.arange(4)).backward()
    for weight in network.parameters():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNED)
def test_a_design_is_described_and_learns(name: str) -> None:
    """One step of SGD on one batch lowers its loss."""
    described = describe(one(name), 5, 32)
    assert described.adaptation == OF_ZOO.get(name, "as published")
    torch.manual_seed(0)
    network, _ = create_network(one(name), 5, 32)
    assert described.params == sum(weight.numel() for weight in network.parameters())
    assert described.flops == network_cost(network, (3, 32, 32)).flops
    images, labels = torch.rand(4, 3, 32, 32), torch.arange(4)
    network.train()

    def loss_now() -> Tensor:
        torch.manual_seed(1)  # what is dropped is the same
        return F.cross_entropy(network(images), labels)

    loss = loss_now()
    loss.backward()
    gradients = [weight.grad for weight in network.parameters()]
    assert all(one is not None and one.isfinite().all() for one in gradients)
    steep = sum(one.square().sum() for one in gradients)
    with torch.no_grad():
        for weight, gradient in zip(network.parameters(), gradients, strict=True):
            weight -= 1e-3 * loss / steep * gradient  # a thousandth off, were the loss a plane
        assert 0.998 * loss < loss_now() < loss


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize(
    "name",
    ["lcnet_050", "vit_tiny_patch16_224", "found"],
)
def test_a_seed_gives_weights_whether_or_not_the_adaptation_is_known(
    name: str, tmp_path: Path
) -> None:
    architecture = one(write(tmp_path / "a.json", found()) if name == "found" else name)
    made = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        network, _ = create_network(architecture, 5, 32)
        made.append((network.state_dict(), torch.get_rng_state()))
    (first, state), (again, state_again), (other, _) = made
    assert torch.equal(state, state_again)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)
