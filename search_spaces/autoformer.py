"""The AutoFormer space: vision transformers of many sizes in one, their weights entangled.

Chen et al., "AutoFormer: Searching Transformers for Visual Recognition" (ICCV 2021), section 3:
embedding size and depth of the whole network, heads and MLP ratio of each layer. Entangled means
that the weights of a smaller network are the leading block of the weights of the largest, so that
training one path trains all (section 3.2). Labels of the choices are those of NNI's ``AutoFormer``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import nni
import torch
from torch import Tensor, nn

from search_spaces.autoformer_sizes import transformer_sizes, values_and_settings
from search_spaces.checks import known
from search_spaces.costs import Cost
from search_spaces.interface import Architecture, ModelSpace, choices
from search_spaces.nni_fixes import BaseSuperNetModule
from search_spaces.stem_choice import STEM_LABEL, Stem, stem_module
from search_spaces.transformer import Transformer, leading


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

    Architectures are dicts ``{"embed_dim": 64, "depth": 3, "mlp_ratio_0": 2.0, ...,
    "num_head_0": 3, ...}``, with the choices of all layers of the deepest network.

    Args:
        num_classes: outputs of the classifier.
        image_size: side of the square images.
        patch_size: side of the patches; by default 4, and 16 from 128 pixels.
        size: name of a row of :data:`search_spaces.autoformer_sizes.SIZES`, from which what is not
            given is taken.
        embed_dims: values of the choice of the embedding's length.
        depths: values of the choice of the number of layers.
        heads: values of each layer's choice of attention heads.
        mlp_ratios: values of each layer's choice of the MLP's width, as a share of the embedding.
        head_dim: width of an attention head, the same for all; ``"shared"`` divides the largest
            embedding among the most heads.
        drop_path: probability that the last layer is passed over, from 0 at the first.
        stem: module (N, 3, H, W) -> (N, 3, H, W) in front of the network, or several by name, of
            which the choice ``stem`` takes one.
        initialization: ``"scaled"`` draws the weights of a product of n inputs with a deviation of
            1 / sqrt(n); ``"published"`` all with 0.02, with which small networks hardly learn at
            first.

    Raises:
        SpaceError: a setting is none that can be meant, the patches do not tile the image, or the
            heads do not divide the embedding.
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
        head_dim: int | str | None = None,
        drop_path: float | None = None,
        stem: Stem = None,
        initialization: str = "scaled",
    ) -> None:
        super().__init__()
        self.initialization = known("initialization", initialization, ("scaled", "published"))
        self.stem = stem_module(stem)
        values, settings = values_and_settings(
            num_classes=num_classes,
            image_size=image_size,
            patch_size=patch_size,
            size=size,
            embed_dims=embed_dims,
            depths=depths,
            heads=heads,
            mlp_ratios=mlp_ratios,
            head_dim=head_dim,
            drop_path=drop_path,
        )
        self.transformer = EntangledTransformer(values, **settings)
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
        least = {
            label: min(values) for label, values in choices(self).items() if label != STEM_LABEL
        }
        named = ("embed_dim", "depth", STEM_LABEL)
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
