"""What a trace must not lose, and what it must refuse: calls that no function shows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from alignment import TraceError, layer_graph
from alignment.graphs import graph_layers
from alignment.layers import Layer


class Calls(nn.Module):
    """A model of one function of itself and the image, with two convolutions to use in it."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.function = function
        self.before, self.after = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def layers(model: nn.Module, size: int = 8) -> tuple[Layer, ...]:
    return graph_layers(layer_graph(model, (3, size, size)))


def kinds(model: nn.Module, size: int = 8) -> list[str]:
    return [layer.kind for layer in layers(model, size)]


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU6(), nn.ConvTranspose2d(8, 4, 2, 2),
        nn.GroupNorm(2, 4), nn.SiLU(inplace=True), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 5), nn.LayerNorm(5), nn.GELU(), nn.Softmax(1),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_scripted_is_the_same_as_plain(device: str) -> None:
    model = plain()
    scripted = torch.jit.script(model).to(device)
    assert layers(scripted) == layers(model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_other_ways_to_write_a_network_are_one_sequence(name: str) -> None:
    """TorchScript's and torch.export's own records of a run have the same layers."""
    model = timm.create_model(name).eval()
    size = model.pretrained_cfg["input_size"]
    image = torch.zeros(1, *size)
    wanted = graph_layers(layer_graph(model, size))
    for other in (torch.jit.trace(model, image), torch.export.export(model, (image,)).module()):
        found = graph_layers(layer_graph(other, size))
        assert [layer.kind for layer in found] == [layer.kind for layer in wanted]
        for what in ("params", "flops", "kernel", "stride", "groups", "channels_out"):
            assert [getattr(a, what) for a in found] == [getattr(b, what) for b in wanted]


def test_a_scripted_part_hides_nothing() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 3, 1), torch.jit.script(nn.SiLU()), nn.Conv2d(3, 3, 1), nn.ReLU()
    )
    graph = layer_graph(model, (3, 8, 8))
    assert [graph.nodes[node]["kind"] for node in graph] == ["conv2d", "silu", "conv2d", "relu"]
    assert sorted(graph.edges) == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_mapped_function_hides_nothing(device: str) -> None:
    def mapped(self: Any, x: Tensor) -> Tensor:
        y = torch.vmap(lambda one: self.before(one).relu())(x)
        return self.after(
            torch.vmap(lambda part: part @ part.mT, in_dims=-1, out_dims=-1)(y[..., None])[..., 0]
        )

    graph = layer_graph(Calls(mapped).to(device), (3, 8, 8))
    found = [graph.nodes[node]["kind"] for node in graph]
    assert found == ["conv2d", "relu", "matmul", "conv2d"]
    assert sorted(graph.edges) == [(0, 1), (1, 2), (2, 3)]
    assert graph.nodes[2]["flops"] == 3 * 8**3


@pytest.mark.slow
def test_a_compiled_model_runs_as_it_was_written() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.SiLU())
    assert layers(torch.compile(model)) == layers(model)


def by_numpy(self: Any, x: Tensor) -> Tensor:
    return self.after(torch.from_numpy(np.tanh(self.before(x).numpy())))


def by_numpy_beside(self: Any, x: Tensor) -> Tensor:
    return self.after(x + torch.as_tensor(np.tanh(np.asarray(self.before(x)))))


def by_list(self: Any, x: Tensor) -> Tensor:
    return self.after(x) * torch.tensor(self.before(x).mean((0, 2, 3)).tolist())[:, None, None]


def by_unwritten_memory(self: Any, x: Tensor) -> Tensor:
    return self.after(x + torch.empty_like(self.before(x)))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (by_numpy, "data left PyTorch by 'numpy' in module 'inner'"),
        (by_numpy_beside, "in module 'inner', 'add' is given .* by 'array' in module 'inner'"),
        (by_list, "in module 'inner', 'mul' is given .* by 'tolist' in module 'inner'"),
        (by_unwritten_memory, "in module 'inner', 'add' is given a tensor that no function"),
    ],
)
def test_tensors_of_unknown_origin_are_refused(function: Any, says: str) -> None:
    model = nn.Sequential()
    model.add_module("inner", Calls(function))
    with pytest.raises(TraceError, match=says) as told:
        layers(model)
    assert str(told.value).startswith("cannot be followed back to the image: ")
    assert "\n" not in str(told.value)


ELSEWHERE = torch.full((3, 1, 1), 2.0)


def test_constants_are_no_unknown_tensors() -> None:
    def looked_at(self: Any, x: Tensor) -> Tensor:
        y = self.before(x)
        y.numpy()  # as a check or a log does
        whole = torch.empty(1, 6, 8, 8)
        whole[:, :3] = y
        whole[:, 3:].copy_(x * ELSEWHERE + torch.zeros(3, 1, 1) + torch.arange(8))
        return self.after(whole[:, :3] + whole[:, 3:])

    assert kinds(Calls(looked_at)) == ["conv2d", "add", "conv2d"]


def test_custom_operators_have_names_of_their_own() -> None:
    @torch.library.custom_op("alignment_tests::twice", mutates_args=())
    def twice(x: Tensor) -> Tensor:
        return x * 2

    @torch.library.custom_op("alignment_tests::thrice", mutates_args=())
    def thrice(x: Tensor) -> Tensor:
        return x * 3

    model = Calls(lambda self, x: thrice(torch.ops.alignment_tests.twice(self.before(x))))
    assert kinds(model) == ["conv2d", "alignment_tests::twice", "alignment_tests::thrice"]


def test_operators_of_pytorch_are_their_functions() -> None:
    aten = torch.ops.aten

    def operators(self: Any, x: Tensor) -> Tensor:
        weight, bias = self.before.weight, self.before.bias
        x = aten.convolution.default(x, weight, bias, [2, 2], [0, 0], [1, 1], False, [0, 0], 1)
        x = aten.constant_pad_nd(aten.hardtanh_.default(x, 0.0, 6.0), [1, 1])
        return aten.addmm.default(bias, aten.mean.dim(x, [-1, -2]), aten.t(weight[:, :, 0, 0]))

    conv, relu6, pool, linear = layers(Calls(operators))
    assert (conv.kind, conv.kernel, conv.stride, conv.flops) == ("conv2d", (1, 1), (2, 2), 144)
    assert (relu6.kind, pool.kind, linear.kind) == ("relu6", "global_avg_pool", "linear")
    assert (linear.channels_in, linear.channels_out, linear.flops) == (3, 3, 9)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: F.hardtanh(x), "hardtanh"),
        (lambda x: F.hardtanh(x, 0, 6), "relu6"),
        (lambda x: F.hardtanh_(x * 1, min_val=0.0, max_val=6.0), "relu6"),
        (lambda x: x.clamp(min=0), "relu"),
        (lambda x: torch.clip(x, 0, 6), "relu6"),
        (lambda x: x.clamp(max=6, min=0), "relu6"),
        (lambda x: x.clamp_min(0.0), "relu"),
        (lambda x: (x * 1).clamp_(0), "relu"),
        (lambda x: x.clamp(-1, 1), "clamp"),
        (lambda x: x.clamp_max(6), "clamp"),
        (lambda x: x.clamp(torch.zeros(1), None), "clamp"),
        (lambda x: torch.matmul(input=x, other=x), "matmul"),
        (lambda x: x.flatten(2).mean(-1), "global_avg_pool"),
        (lambda x: x.view(1, 3, -1).mean(dim=2, keepdim=True), "global_avg_pool"),
        (lambda x: x.mean(axis=(2, 3)), "global_avg_pool"),
        (lambda x: x.permute(0, 2, 3, 1).mean((1, 2)), "global_avg_pool"),
        (lambda x: x.flatten(2).mT.mean(1), "global_avg_pool"),
        (lambda x: x.flatten(2).mT.mean(-1), "mean"),
        (lambda x: x.mean(1), "mean"),
        (lambda x: x.amax((2, 3)), "global_max_pool"),
        (lambda x: x.amax(1), "max"),
    ],
)
def test_kinds_that_depend_on_the_arguments(function: Any, wanted: str) -> None:
    assert kinds(Calls(lambda _self, x: function(x))) == [wanted]


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: x.flatten(2).mean(-1), "global_avg_pool"),
        (lambda x: x.flatten(2).transpose(1, 2).mean(1), "global_avg_pool"),
        (lambda x: x.flatten(2).transpose(1, 2).mean(-1), "mean"),
        (lambda x: x.flatten(2).transpose(1, 2).contiguous().relu().mean(2), "mean"),
    ],
)
def test_as_many_places_as_channels(function: Any, wanted: str) -> None:
    model = Calls(lambda self, x: function(self.before(x)))
    model.before = nn.Conv2d(3, 64, 1)
    assert kinds(model)[-1] == wanted


def test_parameters_shaped_by_data_are_parameters() -> None:
    def shifted(self: Any, x: Tensor) -> Tensor:
        y = self.before(x)
        return y + self.after.bias[:, None, None].type_as(y).expand_as(y)

    graph = layer_graph(Calls(shifted), (3, 8, 8))
    assert [graph.nodes[node]["kind"] for node in graph] == ["conv2d", "shift"]


def edges(function: Any) -> list[tuple[str, str]]:
    graph = layer_graph(Calls(function), (3, 8, 8))
    name = [f"{graph.nodes[node]['kind']} {node}" for node in graph]
    return sorted((name[source], name[target]) for source, target in graph.edges)


def test_what_is_written_to_a_view_is_written_to_all_of_its_memory() -> None:
    def written(self: Any, x: Tensor) -> Tensor:
        y = self.before(x)
        first, last = y[:, :1], y[:, 1:]
        first.add_(x[:, :1])
        return y.relu(), last.sigmoid(), y.view(1, -1).tanh()

    wanted = [("conv2d 0", "add 1"), ("conv2d 0", "relu 2"), ("conv2d 0", "sigmoid 3")]
    wanted += [("add 1", "relu 2"), ("conv2d 0", "tanh 4"), ("add 1", "tanh 4")]
    assert edges(written) == sorted(wanted)


def test_what_is_written_whole_has_no_earlier_source() -> None:
    def written(self: Any, x: Tensor) -> Tensor:
        y = self.before(x)
        y.view(-1).copy_(self.after(x).view(-1))
        return y.relu()

    assert edges(written) == [("conv2d 1", "relu 2")]


def test_every_other_channel_is_not_its_neighbour() -> None:
    def written(self: Any, x: Tensor) -> Tensor:
        y = self.before(x).permute(0, 2, 3, 1).contiguous()
        odd = y[..., 1::2]
        y[..., 0::2].mul_(x[:, :2].permute(0, 2, 3, 1))
        return odd.relu()

    assert edges(written) == [("conv2d 0", "mul 1"), ("conv2d 0", "relu 2")]


def test_sequences_of_several_lengths() -> None:
    def packed(self: Any, x: Tensor) -> Tensor:
        whole = pack_padded_sequence(self.before(x)[0], [8, 8, 5], batch_first=True)
        return pad_packed_sequence(self.rnn(whole)[0])[0].relu()

    model = Calls(packed)
    model.rnn = nn.LSTM(8, 4)
    found = layers(model)
    kinds_found = ["conv2d", "pack_padded_sequence", "lstm", "pad_packed_sequence", "relu"]
    assert [layer.kind for layer in found] == kinds_found
    assert found[2].flops == (8 + 8 + 5) * 4 * 4 * (8 + 4)


def test_what_only_writes_or_only_asks() -> None:
    @torch.library.custom_op("alignment_tests::fill", mutates_args=["out"])
    def fill(x: Tensor, out: Tensor) -> None:
        out.copy_(x)

    def written(self: Any, x: Tensor) -> Tensor:
        y = self.before(x)
        out = torch.zeros_like(y)
        fill(y, out)
        assert not torch.allclose(x + 1, x)
        return out.relu()

    with pytest.warns(UserWarning, match="asks for values of its data .allclose."):
        graph = layer_graph(Calls(written), (3, 8, 8))
    found = [graph.nodes[node]["kind"] for node in graph]
    assert found == ["conv2d", "alignment_tests::fill", "relu"]
    assert sorted(graph.edges) == [(0, 1), (1, 2)]


def test_what_is_written_to_weights_has_their_parameters_alone() -> None:
    def written(self: Any, x: Tensor) -> Tensor:
        first, both = torch.zeros(3), torch.zeros(2, 3)
        both[0] = self.before.bias
        first.copy_(self.after.bias)
        return (x * first[:, None, None]).relu() + both[0][:, None, None]

    found = layers(Calls(written))
    assert [(layer.kind, layer.params) for layer in found] == [
        ("scale", 3), ("relu", 0), ("shift", 3),
    ]  # fmt: skip


class Holder:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def of_holder(holder: Holder) -> Tensor:
    return F.relu(holder.tensor)


def by_weight(weight: Tensor, holder: Holder) -> Tensor:
    """A function that PyTorch's modes see, and that hides an argument from them."""
    if torch.overrides.has_torch_function((weight,)):
        return torch.overrides.handle_torch_function(by_weight, (weight,), weight, holder)
    return F.conv2d(holder.tensor.contiguous().flip(-1), weight)


def test_data_in_an_object_is_not_lost() -> None:
    def hidden(self: Any, x: Tensor) -> Tensor:
        y = of_holder(Holder(self.before(x)))
        return by_weight(self.after.weight, Holder(y)).tanh()

    graph = layer_graph(Calls(hidden), (3, 8, 8))
    found = [(graph.nodes[node]["kind"], graph.nodes[node]["flops"]) for node in graph]
    assert found == [("conv2d", 576), ("relu", 0), ("by_weight", 576), ("tanh", 0)]
    assert sorted(graph.edges) == [(0, 1), (1, 2), (2, 3)]


class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class NoInput(nn.Module):
    def forward(self) -> Tensor:
        return torch.zeros(1)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Two(), r"^takes 2 inputs \(x, y\) and is given one"),
        (NoInput(), r"^takes 0 inputs \(none\) and is given one"),
        (nn.LazyBatchNorm2d(affine=False), "lazy buffer 'running_mean'"),
        (nn.Sequential(nn.ReLU(), Two()), "in module '1', .*missing 1 required.*'y'"),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.Linear(7, 7)), "in module '1', .*shapes"),
        (Calls(lambda self, x: self.before(x).shape and torch.zeros(3)), "not computed from"),
    ],
)
def test_models_that_cannot_be_run_on_an_image(model: nn.Module, says: str) -> None:
    with pytest.raises(TraceError, match=says) as told:
        layers(model)
    assert "\n" not in str(told.value)


def test_outputs_of_any_form() -> None:
    def several(self: Any, x: Tensor) -> Any:
        return {"out": (self.before(x), None), "aux": [self.after(x).relu()]}

    assert kinds(Calls(several)) == ["conv2d", "conv2d", "relu"]


class Depends(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.relu() if x.sum() > 0 else x.tanh()


def test_what_depends_on_values_is_told() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), Depends())
    with pytest.warns(UserWarning, match=r"module '1' asks for values of its data \(bool\)"):
        layers(model)
    with pytest.raises(TraceError, match=r"in module '1', .*build it outside of torch.device"):
        layers(model.to("meta"))
