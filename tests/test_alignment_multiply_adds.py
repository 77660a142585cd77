"""Multiply-adds of every call, against formulas of the textbook and PyTorch's own counter."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import deform_conv2d

from alignment import layer_graph
from alignment.graphs import graph_layers
from alignment.layers import Layer


class Calls(nn.Module):
    """One function of a layer and the image."""

    def __init__(self, function: Callable[[Any, Tensor], Any], layer: nn.Module | None) -> None:
        super().__init__()
        self.function, self.layer = function, layer

    def forward(self, x: Tensor) -> Any:
        return self.function(self.layer, x)


def windows(x: Tensor) -> Tensor:
    """The image (1, 3, 8, 8) as 4 windows of 4 tokens of 12 features."""
    return x.reshape(4, 4, 12)


def recurrent(kind: type[nn.RNNBase], gates: int) -> tuple[Any, nn.Module, int]:
    """Two layers, both ways, over 3 steps of 64 features; 5 units."""
    layer = kind(64, 5, num_layers=2, bidirectional=True, batch_first=True)
    first, second = 3 * gates * 5 * (64 + 5), 3 * gates * 5 * (10 + 5)
    return lambda layer, x: layer(x.flatten(2))[0], layer, 2 * (first + second)


HEADS = nn.MultiheadAttention(12, 3, batch_first=True)
#: Tokens (16) by 12 by 12, four times; 4 windows of 4 by 4 scores by 12, twice.
IN_WINDOWS = 4 * 16 * 12 * 12 + 2 * 4 * 4 * 4 * 12

CALLS: dict[str, tuple[Any, nn.Module | None, int]] = {
    "lstm": recurrent(nn.LSTM, 4),
    "gru": recurrent(nn.GRU, 3),
    "rnn": recurrent(nn.RNN, 1),
    "lstm cell": (lambda cell, x: cell(x.flatten(1))[0], nn.LSTMCell(192, 5), 20 * (192 + 5)),
    "windows": (lambda heads, x: heads(*[windows(x)] * 3)[0], HEADS, IN_WINDOWS),
    "windows fused": (
        lambda heads, x: heads(*[windows(x)] * 3, need_weights=False)[0], HEADS, IN_WINDOWS,
    ),
    "windows by names": (
        lambda heads, x: heads(query=windows(x), key=windows(x), value=windows(x))[0],
        HEADS, IN_WINDOWS,
    ),
    "one more key": (
        lambda heads, x: heads(*[windows(x)] * 3)[0],
        nn.MultiheadAttention(12, 3, batch_first=True, add_bias_kv=True, add_zero_attn=True),
        4 * 16 * 12 * 12 + 2 * 4 * 4 * 6 * 12,
    ),
    "sdpa": (
        lambda _, x: F.scaled_dot_product_attention(*[x.reshape(4, 2, 6, 4)] * 3), None,
        2 * 4 * 2 * 6 * 6 * 4,
    ),
    "sdpa of groups": (
        lambda _, x: F.scaled_dot_product_attention(
            x.view(1, 4, 12, 4), *[x.view(1, 4, 12, 4)[:, :2]] * 2, enable_gqa=True
        ),
        None, 2 * 4 * 12 * 12 * 4,
    ),
    "einsum, ellipsis": (lambda _, x: torch.einsum("...ij,...kj->...ik", x, x), None, 3 * 8**3),
    "einsum, three": (
        lambda _, x: torch.einsum("bcij,bckj,bckl->bcil", x, x, x), None, 2 * 3 * 8**3,
    ),
    "addmm": (
        lambda layer, x: torch.addmm(layer.bias, x.flatten(1), layer.weight.t()),
        nn.Linear(192, 7), 192 * 7,
    ),
    "tensordot": (lambda _, x: torch.tensordot(x, x, ([3], [3])), None, 24 * 24 * 8),
    "matmul by names": (lambda _, x: torch.matmul(input=x, other=x), None, 3 * 8**3),
    "matrix by vector": (lambda _, x: x[0, 0] @ x[0, 1, 0], None, 64),
    "vectors": (lambda _, x: torch.dot(x.flatten(), x.flatten()), None, 192),
    "addmv": (lambda _, x: torch.addmv(x[0, 0, 0], x[0, 0], x[0, 0, 0]), None, 64),
    "addbmm": (lambda _, x: torch.addbmm(x[0, 0], x[0], x[0]), None, 3 * 8**3),
    "bilinear": (lambda layer, x: layer(x, x), nn.Bilinear(8, 8, 5), 24 * 5 * 8 * 8),
    "transposed": (lambda layer, x: layer(x), nn.ConvTranspose2d(3, 4, 2, 2), 64 * 3 * 4 * 4),
    "deformable": (
        lambda layer, x: deform_conv2d(x, torch.zeros(1, 18, 6, 6, device=x.device), layer.weight),
        nn.Conv2d(3, 6, 3), 36 * 6 * 27,
    ),
    "grouped": (lambda layer, x: layer(x), nn.Conv2d(3, 6, 3, groups=3), 36 * 6 * 9),
}  # fmt: skip


def layers(model: nn.Module) -> tuple[Layer, ...]:
    return graph_layers(layer_graph(model, (3, 8, 8)))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", CALLS)
def test_multiply_adds_of_a_call(name: str, device: str) -> None:
    function, layer, wanted = CALLS[name]
    found = layers(Calls(function, deepcopy(layer)).to(device))
    assert sum(layer.flops for layer in found) == wanted
    assert all(layer.flops >= 0 for layer in found)


@pytest.mark.parametrize(
    "name",
    sorted(
        set(CALLS) - {"bilinear", "matrix by vector", "vectors", "addmv", "addbmm", "deformable"}
    ),
)
def test_pytorch_counts_as_many_on_the_meta_device(name: str) -> None:
    function, layer, _ = CALLS[name]
    model = Calls(function, deepcopy(layer)).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, 3, 8, 8, device="meta"))
    assert sum(layer.flops for layer in layers(model)) == counter.get_total_flops() // 2


def test_attention_in_windows_is_written_out_with_its_windows() -> None:
    function, layer, _ = CALLS["windows fused"]
    first, scores, softmax, last, out = layers(Calls(function, layer))
    assert (first.kind, first.shape, first.flops) == ("linear", (4, 4, 36), 16 * 12 * 36)
    assert (scores.kind, scores.shape, scores.flops) == ("matmul", (4, 3, 4, 4), 4 * 16 * 12)
    assert (softmax.kind, last.flops, out.flops) == ("softmax", 4 * 16 * 12, 16 * 12 * 12)


def test_products_of_weights_alone_are_no_layers() -> None:
    def low_rank(layer: Any, x: Tensor) -> Tensor:
        return F.linear(x, layer.weight @ layer.weight.t())

    found = layers(Calls(low_rank, nn.Linear(5, 8, bias=False)))
    assert [(layer.kind, layer.flops, layer.params) for layer in found] == [("linear", 24 * 64, 40)]
