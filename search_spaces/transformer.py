"""A vision transformer that can compute as any smaller one, with leading blocks of its weights.

Chen et al., "AutoFormer: Searching Transformers for Visual Recognition" (ICCV 2021). The layers
slice PyTorch's own weights, without NNI's wrapper around each, which costs time in every step.
"""

from collections.abc import Sequence
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth


def leading(weight: Tensor, *lengths: int) -> Tensor:
    """The leading block of ``weight``: the first so many entries along each of its first axes."""
    for axis, length in enumerate(lengths):
        if weight.shape[axis] != length:
            weight = weight.narrow(axis, 0, length)
    return weight


class LeadingLinear(nn.Linear):
    """A linear layer that takes as many inputs as there are, and gives its first outputs."""

    def forward(self, x: Tensor, outputs: int | None = None) -> Tensor:
        """(..., inputs) -> (..., outputs), all outputs if not said."""
        count = self.out_features if outputs is None else outputs
        return F.linear(x, leading(self.weight, count, x.shape[-1]), leading(self.bias, count))


class LeadingNorm(nn.LayerNorm):
    """Layer norm of the last axis, however long it is."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x (..., dim)."""
        dim = x.shape[-1]
        return F.layer_norm(x, (dim,), leading(self.weight, dim), leading(self.bias, dim), self.eps)


class LeadingConv2d(nn.Conv2d):
    """A convolution that gives its first outputs."""

    def forward(self, x: Tensor, outputs: int | None = None) -> Tensor:
        """(N, C, H, W) -> (N, outputs, H', W'), all outputs if not said."""
        count = self.out_channels if outputs is None else outputs
        assert self.bias is not None
        weight, bias = leading(self.weight, count), leading(self.bias, count)
        return cast(Tensor, self._conv_forward(x, weight, bias))


class RelativePosition(nn.Module):
    """Learned vectors (tokens, tokens, head_dim) for the offsets between patches, and the class.

    A vector is the sum of one for the vertical and one for the horizontal offset (AutoFormer's
    released code, after Shaw et al., 2018). Entry 0 of each table is for the class token.
    """

    offsets: Tensor

    def __init__(self, side: int, head_dim: int) -> None:
        super().__init__()
        self.vertical = nn.Parameter(torch.empty(2 * side + 2, head_dim))
        self.horizontal = nn.Parameter(torch.empty(2 * side + 2, head_dim))
        place = torch.arange(side * side)
        rows, columns = place // side, place % side
        offsets = torch.stack([axis[None, :] - axis[:, None] for axis in (rows, columns)])
        self.register_buffer("offsets", F.pad(offsets + side + 1, (1, 0, 1, 0)), persistent=False)

    def forward(self) -> Tensor:
        """All vectors."""
        return self.vertical[self.offsets[0]] + self.horizontal[self.offsets[1]]


class TransformerLayer(nn.Module):
    """Attention with relative positions and an MLP, each after a layer norm (pre-norm).

    ``heads`` and ``hidden`` may be lowered after construction, and the embedding is as long as
    that of the input: the layer then computes with the leading block of its weights.
    """

    def __init__(
        self, dim: int, heads: int, hidden: int, *, head_dim: int, side: int, drop_path: float
    ) -> None:
        super().__init__()
        self.heads, self.hidden, self.head_dim = heads, hidden, head_dim
        inner = heads * head_dim
        self.norm_attention = LeadingNorm(dim)
        self.qkv_weight = nn.Parameter(torch.empty(3, inner, dim))
        self.qkv_bias = nn.Parameter(torch.empty(3, inner))
        self.position_keys = RelativePosition(side, head_dim)
        self.position_values = RelativePosition(side, head_dim)
        self.projection = LeadingLinear(inner, dim)
        self.norm_mlp = LeadingNorm(dim)
        self.widen = LeadingLinear(dim, hidden)
        self.narrow = LeadingLinear(hidden, dim)
        self.drop_path = StochasticDepth(drop_path, "row") if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, dim) -> (N, tokens, dim)."""
        x = x + self.drop_path(self._attention(self.norm_attention(x)))
        return cast(Tensor, x + self.drop_path(self._mlp(self.norm_mlp(x))))

    def _attention(self, x: Tensor) -> Tensor:
        images, tokens, dim = x.shape
        inner = self.heads * self.head_dim
        weight = leading(self.qkv_weight, 3, inner, dim).reshape(3 * inner, dim)
        bias = leading(self.qkv_bias, 3, inner).reshape(3 * inner)
        shape = (images, tokens, 3, self.heads, self.head_dim)
        # (3, tokens, images * heads, head_dim): relative positions are one product a token.
        by_token = F.linear(x, weight, bias).view(shape).permute(2, 1, 0, 3, 4).flatten(2, 3)
        q, k, v = by_token.unbind()
        q = q * self.head_dim**-0.5
        scores = torch.bmm(q.transpose(0, 1), k.permute(1, 2, 0))
        scores = scores + torch.bmm(q, self.position_keys().transpose(1, 2)).transpose(0, 1)
        attention = scores.softmax(dim=-1)
        seen = torch.bmm(attention, v.transpose(0, 1)).transpose(0, 1)
        seen = seen + torch.bmm(attention.transpose(0, 1), self.position_values())
        joined = seen.reshape(tokens, images, inner).transpose(0, 1)
        return cast(Tensor, self.projection(joined, dim))

    def _mlp(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.narrow(F.gelu(self.widen(x, self.hidden)), x.shape[-1]))


class Transformer(nn.Module):
    """A vision transformer of the given sizes, (N, 3, H, W) -> logits (N, classes).

    The image's representation is the mean over its patches, as published (section 4.1).

    Args:
        dim: length of the embedding.
        heads: attention heads of each layer.
        hidden: width of each layer's MLP.
        classes: outputs of the classifier.
        patch: side of the patches, in pixels.
        side: patches along each side of the image.
        head_dim: width of an attention head.
        drop_path: probability that the last layer is passed over, from 0 at the first.
    """

    def __init__(
        self,
        dim: int,
        heads: Sequence[int],
        hidden: Sequence[int],
        *,
        classes: int,
        patch: int,
        side: int,
        head_dim: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.dim, self.depth = dim, len(heads)
        self.patches = LeadingConv2d(3, dim, patch, patch)
        self.class_token = nn.Parameter(torch.empty(dim))
        self.positions = nn.Parameter(torch.empty(dim, side * side + 1))
        last = max(1, len(heads) - 1)
        self.layers = nn.ModuleList(
            TransformerLayer(
                dim, count, width, head_dim=head_dim, side=side, drop_path=drop_path * index / last
            )
            for index, (count, width) in enumerate(zip(heads, hidden, strict=True))
        )
        self.norm = LeadingNorm(dim)
        self.classifier = LeadingLinear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, classes)."""
        x = self.patches(x, self.dim).flatten(2).transpose(1, 2)
        first = leading(self.class_token, self.dim).expand(len(x), 1, -1)
        x = torch.cat((first, x), dim=1) + leading(self.positions, self.dim).T
        for layer in islice(self.layers, self.depth):
            x = layer(x)
        return cast(Tensor, self.classifier(self.norm(x)[:, 1:].mean(dim=1)))
