"""The AutoFormer space: vision transformers of many sizes in one, their weights entangled.

Chen et al., "AutoFormer: Searching Transformers for Visual Recognition" (ICCV 2021), section 3:
embedding size and depth of the whole network, heads and MLP ratio of each layer. Entangled means
that the weights of a smaller network are the leading block of the weights of the largest, so that
training one path trains all (section 3.2). Labels of the choices are those of NNI's ``AutoFormer``.
The layers slice PyTorch's own weights, without NNI's wrapper around each, which costs time in
every step.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, cast

import nni
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from search_spaces.costs import Cost
from search_spaces.errors import SpaceError
from search_spaces.interface import Architecture, ModelSpace, choices
from search_spaces.nni_fixes import BaseSuperNetModule
from search_spaces.stem_choice import Stem, stem_module

#: The choices of the published supernets, as NNI's hub has them, and of one that two CPU cores
#: train in minutes.
SIZES: dict[str, dict[str, Any]] = {
    "micro": {
        "embed_dims": (48, 64, 80),
        "depths": (3, 4, 5),
        "heads": (2, 3, 4),
        "mlp_ratios": (1.5, 2.0, 3.0),
        "head_dim": 16,
        "drop_path": 0.0,
    },
    "tiny": {
        "embed_dims": (192, 216, 240),
        "depths": (12, 13, 14),
        "heads": (3, 4),
        "mlp_ratios": (3.0, 3.5, 4.0),
    },
    "small": {
        "embed_dims": (320, 384, 448),
        "depths": (12, 13, 14),
        "heads": (5, 6, 7),
        "mlp_ratios": (3.0, 3.5, 4.0),
    },
    "base": {
        "embed_dims": (528, 576, 624),
        "depths": (14, 15, 16),
        "heads": (8, 9, 10),
        "mlp_ratios": (3.0, 3.5, 4.0),
    },
}

#: Images of this side and above have patches of 16 pixels, as published, and smaller ones of 4.
FULL_PATCH_SIZE = 128


def leading(weight: Tensor, *lengths: int) -> Tensor:
    """The leading block of ``weight``: the first so many entries along each of its first axes."""
    for axis, length in enumerate(lengths):
        if weight.shape[axis] != length:
            weight = weight.narrow(axis, 0, length)
    return weight


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
    """Attention with relative positions and an MLP, each behind a layer norm (pre-norm).

    ``heads`` and ``hidden`` may be lowered after construction, and the embedding is as long as
    that of the input: the layer then computes with the leading block of its weights.
    """

    def __init__(
        self, dim: int, heads: int, hidden: int, *, head_dim: int, side: int, drop_path: float
    ) -> None:
        super().__init__()
        self.heads, self.hidden, self.head_dim = heads, hidden, head_dim
        inner = heads * head_dim
        self.norm_attention = nn.LayerNorm(dim)
        self.qkv_weight = nn.Parameter(torch.empty(3, inner, dim))
        self.qkv_bias = nn.Parameter(torch.empty(3, inner))
        self.position_keys = RelativePosition(side, head_dim)
        self.position_values = RelativePosition(side, head_dim)
        self.projection = nn.Linear(inner, dim)
        self.norm_mlp = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, hidden)
        self.narrow = nn.Linear(hidden, dim)
        self.drop_path = StochasticDepth(drop_path, "row") if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, dim) -> (N, tokens, dim)."""
        x = x + self.drop_path(self._attention(_norm(self.norm_attention, x)))
        return cast(Tensor, x + self.drop_path(self._mlp(_norm(self.norm_mlp, x))))

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
        return _linear(self.projection, joined, dim)

    def _mlp(self, x: Tensor) -> Tensor:
        return _linear(self.narrow, F.gelu(_linear(self.widen, x, self.hidden)), x.shape[-1])


def _linear(layer: nn.Linear, x: Tensor, outputs: int) -> Tensor:
    weight = leading(layer.weight, outputs, x.shape[-1])
    return F.linear(x, weight, leading(layer.bias, outputs))


def _norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    dim = x.shape[-1]
    weight, bias = leading(layer.weight, dim), leading(layer.bias, dim)
    return F.layer_norm(x, (dim,), weight, bias, layer.eps)


class Transformer(nn.Module):
    """A vision transformer of the given sizes, (N, 3, H, W) -> logits (N, classes).

    The image's representation is the mean over its patches, as published (section 4.1).

    Parameters
    ----------
    dim:
        Length of the embedding.
    heads, hidden:
        Of each layer: attention heads, and width of its MLP.
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
        self.patches = nn.Conv2d(3, dim, patch, patch)
        self.class_token = nn.Parameter(torch.empty(dim))
        self.positions = nn.Parameter(torch.empty(dim, side * side + 1))
        last = max(1, len(heads) - 1)
        self.layers = nn.ModuleList(
            TransformerLayer(
                dim, count, width, head_dim=head_dim, side=side, drop_path=drop_path * index / last
            )
            for index, (count, width) in enumerate(zip(heads, hidden, strict=True))
        )
        self.norm = nn.LayerNorm(dim)
        self.classifier = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, classes)."""
        weight, bias = leading(self.patches.weight, self.dim), leading(self.patches.bias, self.dim)  # type: ignore[arg-type]
        x = F.conv2d(x, weight, bias, self.patches.stride).flatten(2).transpose(1, 2)
        first = leading(self.class_token, self.dim).expand(len(x), 1, -1)
        x = torch.cat((first, x), dim=1) + leading(self.positions, self.dim).T
        for layer in islice(self.layers, self.depth):
            x = layer(x)
        x = _norm(self.norm, x)[:, 1:].mean(dim=1)
        return _linear(self.classifier, x, self.classifier.out_features)


def transformer_sizes(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """``dim``, and ``heads`` and ``hidden`` of each layer, of an architecture's transformer."""
    dim, layers = architecture["embed_dim"], range(architecture["depth"])
    return {
        "dim": dim,
        "heads": [architecture[f"num_head_{index}"] for index in layers],
        "hidden": [int(dim * architecture[f"mlp_ratio_{index}"]) for index in layers],
    }


class EntangledTransformer(Transformer, BaseSuperNetModule):
    """The largest transformer of a space, which computes as any smaller one of it.

    It is a supernet as it stands: NNI has nothing to put in its place.
    """

    def __init__(self, values: Mapping[str, Sequence[Any]], **settings: Any) -> None:
        self.settings = settings
        largest = {label: max(options) for label, options in values.items()}
        super().__init__(**transformer_sizes(largest), **settings)
        for label, options in values.items():
            self.add_mutable(nni.choice(label, list(options)))  # type: ignore[operator]

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Compute as the network of the architecture ``memo`` from now on."""
        sizes = transformer_sizes(memo)
        self.dim, self.depth = sizes["dim"], len(sizes["heads"])
        for layer, heads, hidden in zip(self.layers, sizes["heads"], sizes["hidden"], strict=False):
            layer.heads, layer.hidden = heads, hidden
        return memo

    @torch.no_grad()
    def freeze(self, sample: Mapping[str, Any]) -> Transformer:
        """The network of an architecture, with weights of its own copied from here."""
        with torch.device(self.class_token.device):
            network = Transformer(**transformer_sizes(sample), **self.settings)
        own = dict(self.named_parameters())
        for name, weight in network.named_parameters():
            weight.copy_(leading(own[name], *weight.shape))
        return network.train(self.training)


class AutoFormer(ModelSpace):
    """The AutoFormer space for images (N, 3, H, W), as an NNI model space.

    Parameters
    ----------
    num_classes:
        Outputs of the classifier.
    image_size:
        Side of the square images.
    patch_size:
        Side of the patches; by default 4, and 16 from 128 pixels.
    size:
        Name of a row of :data:`SIZES`, from which the choices that are not given are taken.
    embed_dims, depths, heads, mlp_ratios:
        The values of each choice.
    head_dim:
        Width of an attention head, the same for all (64, as published). None means that of the
        largest network: its embedding divided by its heads.
    drop_path:
        Probability that the last layer is passed over, from 0 at the first.
    stem:
        Module (N, 3, H, W) -> (N, 3, H, W) in front of the network, or several by name, of which
        the choice ``stem`` takes one.
    initialization:
        ``"scaled"`` draws the weights of a product of n inputs with a deviation of 1 / sqrt(n);
        ``"published"`` all with 0.02, with which small networks hardly learn at first.

    Architectures are dicts ``{"embed_dim": 64, "depth": 3, "mlp_ratio_0": 2.0, ...,
    "num_head_0": 3, ...}``, with the choices of all layers of the deepest network.

    Raises
    ------
    SpaceError
        If the patches do not tile the image, or the heads do not divide the embedding.
    """

    def __init__(
        self,
        num_classes: int = 10,
        image_size: int = 32,
        patch_size: int | None = None,
        size: str = "micro",
        embed_dims: Sequence[int] | None = None,
        depths: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        mlp_ratios: Sequence[float] | None = None,
        head_dim: int | None = 0,
        drop_path: float | None = None,
        stem: Stem = None,
        initialization: str = "scaled",
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise SpaceError(f"size is {size!r}, must be one of {', '.join(SIZES)}")
        if initialization not in ("scaled", "published"):
            raise SpaceError(
                f"initialization is {initialization!r}, must be 'scaled' or 'published'"
            )
        self.initialization = initialization
        row = {"head_dim": 64, "drop_path": 0.1, **SIZES[size]}
        embed_dims, depths = embed_dims or row["embed_dims"], depths or row["depths"]
        heads, mlp_ratios = heads or row["heads"], mlp_ratios or row["mlp_ratios"]
        if head_dim == 0:
            head_dim = row["head_dim"]
        if head_dim is None:
            head_dim, rest = divmod(max(embed_dims), max(heads))
            if rest:
                raise SpaceError(
                    f"{max(heads)} heads do not divide an embedding of {max(embed_dims)}; "
                    "give a head_dim, or other heads or embed_dims"
                )
        if patch_size is None:
            patch_size = 16 if image_size >= FULL_PATCH_SIZE else 4
        side, rest = divmod(image_size, patch_size)
        if rest or not side:
            raise SpaceError(
                f"patches of {patch_size} pixels do not tile an image of {image_size}: "
                "image_size must be a multiple of patch_size"
            )
        layers = range(max(depths))
        values = {
            "embed_dim": embed_dims,
            "depth": depths,
            **{f"mlp_ratio_{index}": mlp_ratios for index in layers},
            **{f"num_head_{index}": heads for index in layers},
        }
        self.stem = stem_module(stem)
        self.transformer = EntangledTransformer(
            values,
            classes=num_classes,
            patch=patch_size,
            side=side,
            head_dim=head_dim,
            drop_path=row["drop_path"] if drop_path is None else drop_path,
        )
        self.initialize()

    @classmethod
    def extra_oneshot_hooks(cls, strategy: object) -> list[Callable[..., bool]]:
        """Tell NNI to leave the transformer as it is."""
        return [lambda module, *_: isinstance(module, EntangledTransformer)]

    def initialize(self) -> None:
        """Draw all weights anew, from a truncated normal; biases are 0, scales of norms 1."""
        scaled = self.initialization == "scaled"
        for name, weight in self.transformer.named_parameters():
            if "norm" in name:
                nn.init.constant_(weight, float(name.endswith("weight")))
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
            elif name.endswith("weight") and scaled:
                inputs = weight.shape[-1] if weight.ndim < 4 else weight[0].numel()
                nn.init.trunc_normal_(weight, std=1 / math.sqrt(inputs))
            else:
                nn.init.trunc_normal_(weight, std=0.02)

    def canonical(self, architecture: Mapping[str, Any]) -> Architecture:
        """The name of a network among its many: choices of layers beyond its depth are the least.

        An architecture has the choices of the deepest network, so that several describe one
        network that is not as deep.
        """
        least = {label: min(values) for label, values in choices(self).items() if label != "stem"}
        named = ("embed_dim", "depth", "stem")
        depth = architecture["depth"]
        return {
            label: value
            if label in named or int(label.rpartition("_")[2]) < depth
            else least[label]
            for label, value in architecture.items()
        }

    def cost(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of the transformer of an architecture, without its stem, in closed form."""
        network, sizes = self.transformer, transformer_sizes(architecture)
        dim = sizes["dim"]
        patches, tokens = network.positions.shape[1] - 1, network.positions.shape[1]
        patch = network.patches.weight[0].numel()
        classes = network.classifier.out_features
        flops = patches * dim * patch + dim * classes
        params = dim * (patch + 1) + dim * (tokens + 1) + 2 * dim + classes * (dim + 1)
        head_dim = network.settings["head_dim"]
        tables = 4 * (2 * network.settings["side"] + 2) * head_dim
        for heads, hidden in zip(sizes["heads"], sizes["hidden"], strict=True):
            inner = heads * head_dim
            # Queries, keys, values and the projection; then scores and sums, each twice, since
            # positions have keys and values too.
            flops += 4 * tokens * dim * inner + 4 * tokens * tokens * inner
            flops += 2 * tokens * dim * hidden
            params += 4 * dim * inner + 3 * inner + dim + tables
            params += 2 * dim * hidden + hidden + dim + 4 * dim
        return Cost(flops, params)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        return cast(Tensor, self.transformer(self.stem(x)))
