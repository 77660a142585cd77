"""A stem in front of any network and in other libraries' pipelines."""

import copy
import io
import pickle

import kornia
import numpy as np
import PIL.Image
import pytest
import pytorch_lightning as pl
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models._features import FeatureListNet
from timm.models.resnet import BasicBlock, ResNet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import tv_tensors
from torchvision.models import resnet18
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import v2

from nasneurn.errors import InputError
from nasneurn.models.with_stem import with_stem
from nasneurn.stems import NeuRN, neurn
from nasneurn.transforms import NeuRN as Transform

X = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
MEAN, STD = 0.5, (0.2, 0.3, 0.4)
Y = (neurn(X) - MEAN) * (1 / torch.tensor(STD)).view(1, 3, 1, 1)
NAMES = {
    "resnet10t": {},
    "vit_tiny_patch16_224": {"img_size": 32},
    "repvgg_a0": {},  # its forward_intermediates calls its stages'
    "hrnet_w18_small": {},  # its forward_features names forward
}


def small(**options):
    return timm.create_model("resnet10t", num_classes=7, **options).eval()


# ---------------------------------------------------------------- what NeuRN takes


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=4), st.sampled_from(["image", "channel", "batch"]))
def test_any_leading_dimensions(leading, scope):
    x = torch.rand(*leading, 6, 5)
    channels = leading[-1] if leading else 1
    expected = neurn(x.reshape(-1, channels, 6, 5), scope=scope).reshape(x.shape)
    assert torch.equal(neurn(x, scope=scope), expected)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (3, 8, 8), (8, 8)])
def test_bytes_are_divided_by_255(shape):
    x = torch.randint(0, 256, shape, dtype=torch.uint8)
    for mode in ("contrast", "local"):
        answer = neurn(x, mode=mode)
        assert answer.dtype == torch.float32
        assert torch.equal(answer, neurn(x.float() / 255, mode=mode))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_the_memory_format_is_kept(dtype):
    x = (255 * X).to(dtype)
    last = x.contiguous(memory_format=torch.channels_last)
    assert neurn(last).is_contiguous(memory_format=torch.channels_last)
    assert neurn(x).is_contiguous()
    if dtype != torch.float64:  # by the kernel
        assert torch.equal(neurn(last), neurn(x))


def test_script_says_what_to_take():
    with pytest.raises(InputError, match=r"torch\.jit\.script cannot take NeuRN: take torch.exp"):
        torch.jit.script(nn.Sequential(NeuRN(), nn.ReLU()))


def test_it_is_one_node_of_a_graph():
    class Own(nn.Module):
        def forward(self, x):
            return neurn(x, 5, scope="channel") + 1

    traced = torch.fx.symbolic_trace(Own())
    assert torch.equal(traced(X), neurn(X, 5, scope="channel") + 1)
    assert torch.equal(pickle.loads(pickle.dumps(traced))(X), traced(X))


# ---------------------------------------------------------------- in front of a network


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_models_of_timm(name):
    plain = timm.create_model(name, num_classes=7, **NAMES[name]).eval()
    model = with_stem(plain, "neurn", mean=MEAN, std=STD)
    assert isinstance(model, type(plain))
    assert list(model.state_dict()) == list(plain.state_dict())
    assert torch.equal(model(X), plain(Y))
    assert torch.equal(model.forward_head(model.forward_features(X)), plain(Y))
    if hasattr(plain, "forward_intermediates"):
        ours = model.forward_intermediates(X, intermediates_only=True)
        theirs = plain.forward_intermediates(Y, intermediates_only=True)
        assert all(map(torch.equal, ours, theirs))
    assert (model.num_classes, model.default_cfg) == (7, plain.default_cfg)
    model.reset_classifier(3)
    assert (model(X).shape, plain(Y).shape) == ((2, 3), (2, 7))


class Passing(ResNet):
    """Its ``forward`` is that of the base class."""

    def forward(self, x):
        return super().forward(x)


class Helped(ResNet):
    """Its ``forward`` asks a helper for the features."""

    def forward(self, x):
        return self.forward_head(self.maps(x))

    def maps(self, x):
        return self.forward_features(x)


@pytest.mark.parametrize("kind", [ResNet, Passing, Helped])
@torch.no_grad()
def test_a_subclass_goes_through_the_stem_once(kind):
    plain = kind(BasicBlock, [1, 1, 1, 1], num_classes=3).eval()
    model = with_stem(plain)
    assert torch.equal(model(X), plain(neurn(X)))
    assert torch.equal(model.forward_features(X), plain.forward_features(neurn(X)))


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224"])
@torch.no_grad()
def test_features_only(name):
    plain = timm.create_model(name, features_only=True, **NAMES[name]).eval()
    model = with_stem(plain)
    assert all(map(torch.equal, model(X), plain(neurn(X))))
    assert model.feature_info.channels() == plain.feature_info.channels()


@torch.no_grad()
def test_what_takes_a_network_apart_keeps_the_stem():
    plain = resnet18(num_classes=4).eval()
    model, y = with_stem(plain), neurn(X)
    expected = create_feature_extractor(plain, ["layer1"])(y)["layer1"]
    assert torch.equal(create_feature_extractor(model, ["layer1"])(X)["layer1"], expected)
    assert torch.equal(IntermediateLayerGetter(model, {"layer1": "a"})(X)["a"], expected)
    wanted = small()
    ours = FeatureListNet(with_stem(wanted), out_indices=(0, 1))(X)
    assert all(map(torch.equal, ours, FeatureListNet(wanted, out_indices=(0, 1))(y)))


@torch.no_grad()
def test_copies_and_stored_ones():
    model = with_stem(small(), "neurn:k=5", mean=MEAN, std=STD)
    stored = io.BytesIO()
    torch.save(model, stored)
    stored.seek(0)
    for other in (
        copy.deepcopy(model),
        copy.copy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(stored, weights_only=False),
    ):
        assert type(other) is type(model)
        assert torch.equal(other(X), model(X))


@pytest.mark.slow
@torch.no_grad()
def test_compiled_and_exported():
    model = with_stem(small(), "neurn", mean=MEAN, std=STD)
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(torch.compile(model, backend="aot_eager")(X), model(X), **close)
    torch.testing.assert_close(torch.export.export(model, (X,)).module()(X), model(X), **close)


@torch.no_grad()
def test_other_networks_and_types_of_numbers():
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    assert torch.equal(with_stem(body)(X), body(neurn(X)))
    assert list(with_stem(body).state_dict()) == ["0.weight", "0.bias"]
    double = with_stem(copy.deepcopy(body).double(), mean=0.1, std=0.2)
    assert double(X.double()).dtype == torch.float64
    bytes_ = (255 * X).to(torch.uint8)
    assert torch.equal(with_stem(body, "none")(bytes_), body(bytes_.float() / 255))

    class Named(nn.Module):
        def forward(self, pixels=None):
            return pixels

    assert torch.equal(with_stem(Named())(pixels=X), neurn(X))


def test_weights_are_shared():
    plain = small()
    model = with_stem(plain)
    assert all(a is b for a, b in zip(plain.parameters(), model.parameters(), strict=True))
    assert not hasattr(plain, "input_stem")


def by_hand():
    model = small()
    model.forward = model.forward_features
    return model


def detection():
    return ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)


class Container(nn.ModuleList):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda: 5, {}, "the model is a int; an nn.Module"),
        (small, {"stem": "neurm"}, "neurn"),
        (small, {"stem": nn.Conv2d(3, 3, 1)}, r"weights or buffers of its own \(weight, bias\)"),
        (
            small,
            {"stem": nn.Identity},
            "the stem is <class .*; its name, .* or a made module",
        ),
        (small, {"mean": [0.1, 0.2]}, "for 2 channels, which no convolution of the model takes"),
        (small, {"std": [1, 1, 1, 1]}, "for 4 channels, which no convolution of the model takes"),
        (
            detection,
            {},
            r"a list of images; .*model\.backbone = with_stem\(model\.backbone\)",
        ),
        (small, {"std": 0}, "std is 0; every number must be positive"),
        (small, {"mean": "x"}, "mean is 'x'; it must be a number"),
        (small, {"mean": [float("nan")]}, r"mean is \[nan\]"),
        (small, {"mean": [0.1, 0.2], "std": [1, 1, 1]}, "mean has 2 numbers and std has 3"),
        (lambda: with_stem(small()), {}, "has a stem already"),
        (lambda: torch.compile(small()), {}, "is compiled"),
        (lambda: torch.fx.symbolic_trace(nn.ReLU()), {}, "is a traced graph"),
        (by_hand, {}, "forward was set by hand"),
        (Container, {}, "a container with a forward of its own"),
    ],
)
def test_what_cannot_have_a_stem(make, options, words):
    with pytest.raises(InputError, match=words) as caught:
        with_stem(make(), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "images", "words"),
    [
        ({"mean": [0.1, 0.2]}, X, r"shape \(2, 3, 32, 32\); \(N, 2, H, W\) is needed$"),
        ({"mean": 0.1}, X[0], r"shape \(3, 32, 32\); \(N, C, H, W\) is needed, as by images\[None"),
        ({"std": [1, 2, 3]}, X.long(), "torch.int64; a floating point tensor"),
        ({}, [X[0]], "images are a list; a tensor"),
        ({"mean": 0.1}, [X[0]], "images are a list; a tensor"),
    ],
)
def test_wrong_images_are_told_when_it_is_called(options, images, words):
    model = with_stem(nn.Sequential(nn.Conv2d(3, 4, 3)), **options)
    with pytest.raises(InputError, match=words) as caught:
        model(images)
    assert "\n" not in str(caught.value)


def test_a_detection_network_takes_it_as_its_message_says():
    model = detection().eval()
    model.backbone = with_stem(model.backbone)
    assert set(model([X[0]])[0]) == {"boxes", "labels", "scores"}


@torch.no_grad()
def test_scaling_is_in_a_graph_of_torch_fx():
    plain = resnet18(num_classes=4).eval()
    model = with_stem(plain, mean=MEAN, std=STD)
    taken = create_feature_extractor(model, ["layer1"])
    assert torch.equal(taken(X)["layer1"], create_feature_extractor(plain, ["layer1"])(Y)["layer1"])
    with pytest.raises(InputError, match="as by images"):
        taken(X[0])


# ---------------------------------------------------------------- other libraries' pipelines


def pil(mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("P", 3), ("RGBA", 3)])
def test_pil_images(mode, channels):
    answer, label = v2.Compose([Transform(k=5)])(pil(mode), 3)
    assert isinstance(answer, tv_tensors.Image)
    assert (answer.shape, answer.dtype, label) == ((channels, 12, 16), torch.float32, 3)
    plain = v2.functional.pil_to_tensor(pil(mode).convert("L" if channels == 1 else "RGB"))
    assert torch.equal(answer.as_subclass(torch.Tensor), neurn(plain, 5))


DEEP = np.random.default_rng(1).integers(0, 65536, (12, 16), dtype=np.uint16)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (PIL.Image.fromarray(DEEP), DEEP / np.float32(65535)),
        (PIL.Image.frombytes("I;16B", (16, 12), DEEP.astype(">u2").tobytes()), DEEP / 65535),
        (PIL.Image.fromarray(DEEP.astype(np.int32)), DEEP / 65535),
        (PIL.Image.fromarray(DEEP.astype(np.float32) - 7), DEEP - 7.0),
    ],
    ids=lambda given: getattr(given, "mode", ""),
)
def test_deep_pil_images_are_one_channel_and_keep_their_shades(image, expected):
    answer = Transform(mode="local")(image)
    assert (type(answer), answer.shape, answer.dtype) == (
        tv_tensors.Image, (1, 12, 16), torch.float32
    )  # fmt: skip
    found = answer.as_subclass(torch.Tensor)
    assert torch.equal(found, neurn(torch.from_numpy(np.float32(expected))[None], mode="local"))
    # Of all its shades: eight bits of them would leave other ratios.
    assert len(found.unique()) > 150


@pytest.mark.parametrize("off", [-1, 65536])
def test_whole_numbers_beyond_16_bits_are_refused(off):
    pixels = np.full((4, 5), 9, np.int32)
    pixels[1, 2] = off
    with pytest.raises(
        InputError, match=r"mode I has values .*from 0 to 65535 are taken"
    ) as caught:
        Transform()(PIL.Image.fromarray(pixels))
    assert "\n" not in str(caught.value)


def test_a_mode_that_has_no_colours_is_one_line():
    with pytest.raises(InputError, match="an image of mode La cannot be taken"):
        Transform()(PIL.Image.new("La", (5, 4)))


def test_samples_of_transforms():
    boxes = tv_tensors.BoundingBoxes([[0, 0, 4, 4]], format="XYXY", canvas_size=(32, 32))
    mask = tv_tensors.Mask(torch.ones(32, 32, dtype=torch.uint8))
    image, target = Transform()(tv_tensors.Image(X[0]), {"boxes": boxes, "mask": mask, "n": 4})
    assert torch.equal(image.as_subclass(torch.Tensor), neurn(X[0]))
    assert target["boxes"] is boxes
    assert target["mask"] is mask
    batch, labels = Transform()(X, torch.tensor([1, 2]))
    assert torch.equal(batch, neurn(X))
    assert labels.tolist() == [1, 2]
    video = Transform()(tv_tensors.Video(X))
    assert isinstance(video, tv_tensors.Video)
    assert "k=3" in repr(Transform())


def test_the_module_points_at_the_transform():
    with pytest.raises(InputError, match=r"a Image; .* nasneurn\.transforms\.NeuRN"):
        NeuRN()(pil())


def test_kornia():
    chain = kornia.augmentation.container.ImageSequential(
        NeuRN(), kornia.augmentation.RandomHorizontalFlip(p=1.0)
    )
    torch.testing.assert_close(chain(X), neurn(X).flip(3))
    both = kornia.augmentation.AugmentationSequential(
        kornia.augmentation.RandomHorizontalFlip(p=1.0), NeuRN(), data_keys=["input"]
    )
    torch.testing.assert_close(both(X), neurn(X.flip(3)))


def test_lightning(tmp_path):
    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = with_stem(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), mean=0.2)

        def training_step(self, batch, index):
            images, labels = batch
            return nn.functional.cross_entropy(self.network(images), labels)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    module = Module()
    before = module.network[2].weight.detach().clone()
    data = DataLoader(TensorDataset(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])), 2)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, data)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    again = Module.load_from_checkpoint(tmp_path / "x.ckpt")
    assert not torch.equal(module.network[2].weight, before)
    assert torch.equal(again.network[2].weight, module.network[2].weight.cpu())
