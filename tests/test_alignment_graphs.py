from collections.abc import Callable
from typing import Any

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from alignment import Layer, TraceError, layer_graph, serialize_model
from alignment.builders import build
from alignment.effects import Effects
from alignment.graphs import graph_layers
from alignment.meta import Replies
from alignment.zoo import Request


def kinds(model: nn.Module, size: int = 16) -> list[str]:
    return [layer.kind for layer in graph_layers(layer_graph(model, (3, size, size)))]


class Block(nn.Module):
    """What a listing of leaf modules gets wrong: order, functions, fusion, what is not run."""

    def __init__(self) -> None:
        super().__init__()
        self.never_run = nn.Conv2d(3, 3, 1)
        self.last = nn.Linear(16, 5)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.fused = BatchNormAct2d(8, act_layer=nn.SiLU)
        self.first = nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=False)
        self.nothing = nn.Identity()
        self.dropout = nn.Dropout(0.5)
        self.gamma = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.fused(self.first(x))
        y = self.dropout(self.nothing(self.second(x))) * self.gamma
        x = x + y
        x = torch.cat((x, F.relu(x / 2)), 1)
        x = x * x.sigmoid()
        x = F.max_pool2d(x, 3, 2)
        return self.last(x.mean((2, 3)))


def test_what_executes_in_the_order_of_the_data() -> None:
    graph = layer_graph(Block(), (3, 16, 16))
    expected = [
        Layer("conv2d", (5, 5), (2, 2), 1, 3, 8, (8, 8, 8), 600, 64 * 600),
        Layer("batch_norm", (), (), 1, 8, 8, (8, 8, 8), 16),
        Layer("silu", (), (), 1, 8, 8, (8, 8, 8)),
        Layer("conv2d", (3, 3), (1, 1), 8, 8, 8, (8, 8, 8), 80, 64 * 72),
        Layer("scale", (), (), 1, 8, 8, (8, 8, 8), 8),
        Layer("add", (), (), 1, 8, 8, (8, 8, 8)),
        Layer("relu", (), (), 1, 8, 8, (8, 8, 8)),
        Layer("concat", (), (), 1, 8, 16, (16, 8, 8)),
        Layer("sigmoid", (), (), 1, 16, 16, (16, 8, 8)),
        Layer("mul", (), (), 1, 16, 16, (16, 8, 8)),
        Layer("max_pool", (3, 3), (2, 2), 1, 16, 16, (16, 3, 3)),
        Layer("global_avg_pool", (), (), 1, 16, 16, (16,)),
        Layer("linear", (), (), 1, 16, 5, (5,), 85, 80),
    ]
    assert list(graph_layers(graph)) == expected
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (2, 5), (4, 5), (5, 6), (5, 7), (6, 7)]
    edges += [(7, 8), (7, 9), (8, 9), (9, 10), (10, 11), (11, 12)]
    assert sorted(graph.edges) == sorted(edges)
    assert graph.nodes[1]["module"] == "fused"
    assert graph.nodes[5]["module"] == ""


def test_the_model_is_left_as_it_was() -> None:
    model = Block().train()
    model.first.eval()
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    layer_graph(model, (3, 16, 16))
    assert model.training
    assert not model.first.training
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_meta_and_real_devices_agree() -> None:
    with torch.device("meta"):
        model = Block()
    assert graph_layers(layer_graph(model, (3, 16, 16))) == graph_layers(
        layer_graph(Block(), (3, 16, 16))
    )


class Attention(nn.Module):
    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            x = F.scaled_dot_product_attention(q, k, v)
        else:
            x = ((q * 0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
        return x.transpose(1, 2).flatten(2)


def test_fused_attention_is_the_same_sequence() -> None:
    fused, plain = (serialize_model(Attention(f), "a", image_shape=(3, 16, 16)) for f in (1, 0))
    assert [layer.kind for layer in fused.layers] == [
        "conv2d", "linear", "matmul", "softmax", "matmul",
    ]  # fmt: skip
    assert fused.layers == plain.layers


class MultiHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).reshape(x.shape[0], -1, 12)
        return self.attention(tokens, tokens, tokens, need_weights=False)[0]


def test_multi_head_attention_is_written_out() -> None:
    model = MultiHead()
    layers = graph_layers(layer_graph(model, (3, 16, 16)))
    assert [layer.kind for layer in layers] == ["linear", "matmul", "softmax", "matmul", "linear"]
    assert sum(layer.params for layer in layers) == sum(p.numel() for p in model.parameters())
    assert layers[0].flops == 64 * 12 * 36
    assert layers[1].flops == 64 * 64 * 12


def test_in_place_and_shared_layers() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).relu_()
            y += x
            y[:, :1] = self.conv(y)[:, :1]
            return y

    graph = layer_graph(Twice(), (3, 4, 4))
    # The image itself is no layer, so a sum with it is a sum of two feature maps all the same.
    assert [graph.nodes[n]["kind"] for n in graph] == ["conv2d", "relu", "add", "conv2d"]
    assert [graph.nodes[n]["params"] for n in graph] == [9, 0, 0, 0]
    assert sorted(graph.edges) == [(0, 1), (1, 2), (2, 3)]


def test_what_is_computed_from_weights_alone_is_no_layer() -> None:
    class Standardized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            weight = F.layer_norm(self.weight, self.weight.shape[1:])
            return F.conv2d(x, (weight * 2).tanh())

    layers = graph_layers(layer_graph(Standardized(), (3, 8, 8)))
    assert [(layer.kind, layer.params) for layer in layers] == [("conv2d", 108)]


def test_a_function_without_a_name_here_is_seen() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.erf(x).cumsum(1)

    assert kinds(Odd()) == ["erf", "cumsum"]


class Outside(nn.Module):
    """Computes with NumPy, which PyTorch's functions do not show."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(torch.from_numpy(self.before(x).numpy()))


class Valued(nn.Module):
    """Asks for a value, which a meta tensor lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y.relu() if float(y.abs().sum()) >= 0 else y


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (nn.Identity, "executes no layer on an image (3, 8, 8)$"),
        (lambda: nn.Conv2d(4, 4, 1), "cannot be run on an image (3, 8, 8): .*4 channels"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 7)), "cannot be run"),
        (lambda: nn.LazyConv2d(4, 1), "lazy parameter 'weight'"),
        (Outside, "cannot be followed back to the image.*NumPy"),
        (lambda: on_meta(Valued), "build it outside of torch.device"),
        (lambda: Block, "is the class Block; an instance of torch.nn.Module is needed"),
        (lambda: torch.relu, "is builtin_function_or_method; an instance"),
    ],
)
def test_models_that_cannot_be_traced(build: Callable[[], Any], message: str) -> None:
    pattern = message.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(TraceError, match=f"^mine {pattern}|^mine .*{pattern}") as told:
        serialize_model(build(), "mine", image_shape=(3, 8, 8))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("shape", [(3, 8), (3, 0, 8), (3, 8.0, 8), (1, 3, 8, 8), 8, "3x8x8"])
def test_bad_shapes_of_an_image(shape: Any) -> None:
    with pytest.raises(TraceError, match="must be \\(channels, height, width\\)"):
        layer_graph(nn.ReLU(), shape)


def test_a_model_that_needs_values_is_traced_where_it_has_some() -> None:
    with pytest.warns(UserWarning, match="asks for values"):
        assert kinds(Valued()) == ["conv2d", "abs", "sum", "relu"]


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.erf(x)


def test_what_a_function_of_ones_own_computes_is_seen() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.after(Doubled.apply(self.before(x)))

    assert kinds(Own()) == ["conv2d", "erf", "conv2d"]


ARCHITECTURES = {
    "timm": [
        "resnet18", "resnetv2_50", "densenet121", "tf_efficientnetv2_b0", "convnext_atto",
        "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "test_byobnet", "levit_128s",
        "mobilenetv4_conv_small", "test_nfnet", "hiera_tiny_224", "coat_tiny", "lambda_resnet26t",
        "swinv2_cr_tiny_224",
    ],
    "torchvision": ["resnet18", "vit_b_16", "swin_t", "squeezenet1_0"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "name"),
    [(library, name) for library, all_ in ARCHITECTURES.items() for name in all_],
)
def test_parameters_and_flops_are_complete(library: str, name: str) -> None:
    """PyTorch's own counter, which works on another level, finds the same multiply-adds."""
    model, shape, _family = build(Request(name, library, name))
    graph = layer_graph(model, shape)
    layers = graph_layers(graph)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, *shape, device="meta"))
    flops = sum(layer.flops for layer in layers) + graph.graph["flops_of_weights"]
    assert flops == counter.get_total_flops() // 2
    assert sum(layer.params for layer in layers) == sum(p.numel() for p in model.parameters())
    assert nx.is_directed_acyclic_graph(graph)
    assert all(source < target for source, target in graph.edges)
    assert nx.number_weakly_connected_components(graph) == 1


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "convnext_atto", "efficientnet_b0"])
def test_remembered_shapes_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(name, "timm", name)
    model, shape, _ = build(request)
    layers = graph_layers(layer_graph(model, shape))
    monkeypatch.setattr(
        Replies, "call", lambda self, func, name, args, kwargs, effects: func(*args, **kwargs)
    )
    assert graph_layers(layer_graph(model, shape)) == layers


def test_a_shape_is_remembered_with_all_that_it_depends_on() -> None:
    replies = Replies()
    effects = Effects()
    meta = torch.zeros(1, 3, 8, 8, device="meta")
    weight = torch.zeros(4, 3, 3, 3, device="meta")
    for image in (meta, meta.expand(2, 3, 8, 8), meta.to(memory_format=torch.channels_last)):
        for options in ((None, 1), (None, 2), (None, 1, "same"), (None, 1, 1, 1, 1)):
            for _ in range(2):
                found = replies.call(F.conv2d, "conv2d", (image, weight, *options), {}, effects)
                wanted = F.conv2d(image, weight, *options)
                assert (found.shape, found.stride()) == (wanted.shape, wanted.stride())
    for _ in range(2):
        assert replies.call(F.relu, "relu", (meta,), {"inplace": True}, effects) is meta
        assert replies.call(F.relu, "relu", (meta,), {"inplace": False}, effects) is not meta
    real = torch.tensor([-1.0, 2.0])
    assert replies.call(F.relu, "relu", (real,), {}, effects).tolist() == [0.0, 2.0]
    assert replies.call(F.relu, "relu", (-real,), {}, effects).tolist() == [1.0, 0.0]


def test_a_model_that_no_library_knows() -> None:
    with pytest.raises(TraceError, match="cannot be built"):
        build(Request("nothing", "timm", "nothing_at_all"))
