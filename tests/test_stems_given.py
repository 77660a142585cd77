"""What every stem takes: images of any shape, uint8, channels last, and what stands for images."""

import pickle

import pytest
import torch
from drawn import images
from torch import nn
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

import nasneurn
from nasneurn import stems
from nasneurn.errors import InputError
from nasneurn.models.with_stem import with_stem
from nasneurn.stems import STEMS, FunctionStem, create_stem, from_function, list_stems
from nasneurn.stems.function_stems import neurn_grey as make_neurn_grey


def halved(images, by=2):
    return images / by


halved_stem = from_function(halved)

#: The registry's, and such that are made of a function of one's own.
NAMES = [*list_stems(), "neurn_resized:order=after", f"{__name__}:halved_stem:by=4"]
#: The plain functions.
FUNCTIONS = [name for name in list_stems() if name != "none"]
SHAPES = [(2, 3, 16, 12), (3, 16, 12), (16, 12), (2, 2, 3, 16, 12)]
BODY = resnet18(num_classes=4).eval()


@pytest.fixture(params=NAMES)
def stem(request):
    return create_stem(request.param)


def as_four(x):
    return x.reshape(-1, x.shape[-3] if x.ndim > 2 else 1, *x.shape[-2:])


@pytest.mark.parametrize("shape", SHAPES)
def test_any_leading_dimensions(stem, shape):
    x = images(*shape)
    assert torch.equal(stem(x), stem(as_four(x)).reshape(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_are_divided_by_255(stem, shape):
    x = (255 * images(*shape)).to(torch.uint8)
    if isinstance(stem, nn.Identity):
        assert stem(x) is x
    else:
        answer = stem(x)
        assert answer.dtype == torch.float32
        assert torch.equal(answer, stem(x.float() / 255))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_the_memory_format_is_kept(stem, dtype):
    x = (255 * images(2, 3, 16, 12)).to(dtype)
    last = x.contiguous(memory_format=torch.channels_last)
    assert stem(last).is_contiguous(memory_format=torch.channels_last)
    assert stem(x).is_contiguous()
    torch.testing.assert_close(stem(last), stem(x))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_tensors_of_vmap(stem):
    x = images(2, 4, 3, 16, 12)
    found = torch.vmap(stem, in_dims=1, out_dims=1)(x)
    # Derivatives and vmap take plain operations, whose last bits are others than the kernel's.
    torch.testing.assert_close(found, torch.stack([stem(x[:, i]) for i in range(4)], 1))


# ---------------------------------------------------------------- graphs


def test_torch_fx_records_it(stem):
    traced = torch.fx.symbolic_trace(stem)
    for graph in (traced, pickle.loads(pickle.dumps(traced))):
        for shape in SHAPES:
            for x in (images(*shape), (255 * images(*shape)).to(torch.uint8)):
                assert torch.equal(graph(x), stem(x))


def test_it_is_one_node():
    for name in NAMES[1:]:
        graph = torch.fx.symbolic_trace(create_stem(name)).graph
        assert [node.op for node in graph.nodes] == ["placeholder", "call_function", "output"], name


@torch.no_grad()
def test_torchvisions_extraction_takes_it(stem):
    model = with_stem(BODY, stem)
    x = images(1, 3, 32, 32)
    expected = create_feature_extractor(BODY, ["layer1"])(stem(x))["layer1"]
    assert torch.equal(create_feature_extractor(model, ["layer1"])(x)["layer1"], expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_plain_functions_take_the_same(name):
    function = getattr(stems, name)

    class Own(nn.Module):
        def forward(self, x):
            return function(x) + 1

    x = (255 * images(3, 16, 12)).to(torch.uint8)
    assert torch.equal(function(x), create_stem(name)(x.float()[None] / 255)[0])
    assert torch.equal(torch.fx.symbolic_trace(Own())(x), function(x) + 1)


@pytest.mark.parametrize("function", [lambda x: 1 - x, nn.ReLU()], ids=["lambda", "module"])
def test_a_function_without_a_name_is_traced_through(function):
    traced = torch.fx.symbolic_trace(FunctionStem(function))
    for graph in (traced, pickle.loads(pickle.dumps(traced))):
        for x in (images(3, 8, 8), images(1, 3, 8, 8)):
            assert torch.equal(graph(x), function(x))


def test_options_stay_in_the_graph():
    stem = create_stem("neurn_scales:k=[3,7],by=maximum")
    x = images(1, 3, 16, 16)
    assert torch.equal(torch.fx.symbolic_trace(stem)(x), stem(x))


@pytest.mark.parametrize("name", ["grey", "sobel", "instance_norm", NAMES[-1]])
def test_exported(name):
    stem, x, other = create_stem(name), images(2, 3, 16, 12), images(3, 3, 16, 12, seed=1)
    dynamic = ({0: torch.export.Dim("N")},)
    program = torch.export.export(stem, (x,), dynamic_shapes=dynamic, strict=False)
    torch.testing.assert_close(program.module()(other), stem(other), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_traced_by_jit(stem):
    x = images(2, 3, 16, 12)
    traced = torch.jit.trace(stem, x)
    torch.testing.assert_close(traced(x + 1), stem(x + 1), rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- what is refused


REFUSED = r"torch\.jit\.script cannot take [\w ]+: take torch\.export or torch\.compile"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "none"])
def test_script_says_what_to_take(name):
    for what in (create_stem(name), nn.Sequential(create_stem(name), nn.ReLU())):
        with pytest.raises(InputError, match=REFUSED):
            torch.jit.script(what)


@pytest.mark.parametrize("name", list_stems())
def test_script_of_a_network_with_a_stem(name):
    with pytest.raises(InputError, match=REFUSED):
        torch.jit.script(with_stem(BODY, name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_script_of_the_plain_functions(name):
    function = getattr(stems, name)

    class Own(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(x)

    for what in (function, Own()):
        with pytest.raises(InputError, match=f"script cannot take {name}: take"):
            torch.jit.script(what)


def test_script_of_the_function_at_the_top():
    with pytest.raises(InputError, match=REFUSED):
        torch.jit.script(nasneurn.neurn)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([1.0], "images are a list; a tensor"),
        (torch.zeros(8), r"shape \(8,\); \(H, W\) at the least"),
        (torch.zeros(1, 3, 16, 16, dtype=torch.int64), "torch.int64; a floating point tensor"),
    ],
)
def test_what_are_no_images_is_one_line(name, x, words):
    with pytest.raises(InputError, match=words) as caught:
        create_stem(name)(x)
    assert "\n" not in str(caught.value)


def test_a_function_that_changes_the_shape_of_one_image():
    with pytest.raises(InputError, match=r"\(1, 3, 8, 8\) became \(3, 8, 8\); the shape must be"):
        FunctionStem(lambda x: x[0])(images(3, 8, 8))


def test_every_maker_of_a_function_is_in_the_registry():
    assert repr(make_neurn_grey()) == "FunctionStem(neurn_grey)"
    assert {type(STEMS.create(name)) for name in list_stems()} == {
        nn.Identity, stems.NeuRN, FunctionStem,
    }  # fmt: skip
