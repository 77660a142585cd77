"""The single path one-shot space: ShuffleNet blocks, one of four candidates in each place.

Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling" (ECCV 2020),
section 3.3 and its released code: 20 choice blocks in four stages, each block a ShuffleNetV2 unit
with a 3 x 3, 5 x 5 or 7 x 7 depthwise convolution or the Xception-like unit of three of them.
Names of modules and choices are those of NNI's ``ShuffleNetSpace``, so that architectures and
weights pass between the two; the convolutions are PyTorch's own, without NNI's slicing around
them, which costs time in every step.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn

from search_spaces.checks import known, positive_number, probability, whole_number
from search_spaces.errors import SpaceError
from search_spaces.shufflenet import (
    CANDIDATES,
    STAGE_BLOCKS,
    ShuffleBlock,
    ShuffleNet,
    candidate,
    scaled_channels,
)
from search_spaces.stem_choice import Stem, stem_module


class SPOS(ShuffleNet, ModelSpace):
    """The SPOS space of 4^20 architectures for images (N, 3, H, W), as an NNI model space.

    Architectures are dicts ``{"layer_1": "k3", ..., "layer_20": "xcep"}``.

    Args:
        num_classes: outputs of the classifier.
        image_size: side of the square images. From 128 pixels the first convolution halves the
            resolution, as published (224 pixels end as 7 x 7 maps); below it does not (32 pixels
            end as 2 x 2).
        width: factor on all channels, above 0.15625; 1.0 is the published supernet.
        blocks: choice blocks in each of the four stages; (4, 4, 8, 4) is the published supernet.
            Fewer blocks and a width of 0.25 make a supernet that two CPU cores train in a minute.
        stem: module (N, 3, H, W) -> (N, 3, H, W) in front of the network, for example NeuRN, or
            several by name, of which the choice ``stem`` takes one.
        dropout: probability before the classifier.
        initialization: ``"aligned"`` starts the candidates of a choice block as one function (see
            :func:`align_candidates`), so that paths agree from the first step and a supernet needs
            fewer of them; ``"published"`` draws each candidate on its own.

    Raises:
        SpaceError: a setting is none that can be meant.
    """

    def __init__(
        self,
        num_classes: int = 10,
        image_size: int = 32,
        width: float = 1.0,
        blocks: Sequence[int] = STAGE_BLOCKS,
        stem: Stem = None,
        dropout: float = 0.1,
        initialization: str = "aligned",
    ) -> None:
        _wide_enough(positive_number("width", width))
        whole_number("image_size", image_size, least=16)  # maps are halved four times
        if not isinstance(blocks, list | tuple) or len(blocks) != len(STAGE_BLOCKS):
            raise SpaceError(f"blocks is {blocks!r}, must be a list of four numbers")
        for repeats in blocks:
            whole_number("a number of blocks", repeats, least=1)
        known("initialization", initialization, ("aligned", "published"))
        super().__init__(
            choice_block,
            num_classes=whole_number("num_classes", num_classes, least=1),
            image_size=image_size,
            width=width,
            blocks=blocks,
            dropout=probability("dropout", dropout),
            stem=stem_module(stem),
        )
        self.initialization = initialization
        self.initialize()

    def initialize(self) -> None:
        """Draw all weights anew, from the distributions of the released SPOS code."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                spread = 0.01 if name.startswith("first_conv") else 1 / module.weight.shape[1]
                nn.init.normal_(module.weight, 0, spread)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
                nn.init.constant_(module.bias, 1e-4)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
        if self.initialization == "aligned":
            for choice in self.features:
                if isinstance(choice, LayerChoice):  # a frozen network has plain blocks
                    align_candidates({name: choice[name] for name in CANDIDATES})


def _wide_enough(width: float) -> None:
    """See that each stage has more channels than the one before, as its first block adds some.

    Raises:
        SpaceError: they are too few, and rounded to the same number.
    """
    *stages, _ = scaled_channels(width)
    if any(inputs >= outputs for inputs, outputs in pairwise(stages)):
        raise SpaceError(
            f"width is {width!r}, must be above 0.15625: else a stage has no more channels than "
            "the one before"
        )


def choice_block(label: str, *shape: int) -> nn.Module:
    """All candidates of a place, as a choice of the space."""
    block: nn.Module = LayerChoice(
        {name: candidate(name, *shape) for name in CANDIDATES}, label=label
    )
    return block


@torch.no_grad()
def align_candidates(candidates: Mapping[str, nn.Module]) -> None:
    """Make the candidates of one choice block start as the function that ``k3`` computes.

    ``k5`` and ``k7`` take the weights of ``k3``, its depthwise kernels padded with zeros: the same
    function exactly. ``xcep`` has two depthwise and one pointwise convolution more; these start as
    identities, so that it computes the same up to the batch normalizations between.
    """
    model = candidates["k3"]
    for name in ("k5", "k7"):
        for source, target in zip(model.modules(), candidates[name].modules(), strict=True):
            if isinstance(source, nn.Conv2d) and isinstance(target, nn.Conv2d):
                margin = (target.kernel_size[0] - source.kernel_size[0]) // 2
                target.weight.copy_(nn.functional.pad(source.weight, (margin,) * 4))

    branch, xcep = cast(ShuffleBlock, model), cast(ShuffleBlock, candidates["xcep"])
    xcep.branch_proj.load_state_dict(branch.branch_proj.state_dict())
    widen, filter_, narrow = _convolutions(branch.branch_main)
    first, second, third, fourth, fifth, last = _convolutions(xcep.branch_main)
    nn.init.dirac_(first.weight, groups=first.groups)
    second.weight.copy_(widen.weight)
    nn.init.dirac_(third.weight, groups=third.groups)
    nn.init.dirac_(fourth.weight)
    fifth.weight.copy_(filter_.weight)
    last.weight.copy_(narrow.weight)
    # A rectified standard normal variable has mean 0.399 and deviation 0.584. Normalized, it is
    # lifted by their ratio, so that the extra ReLU after the identity cuts nothing off.
    extra_norm = xcep.branch_main[list(xcep.branch_main).index(fourth) + 1]
    nn.init.constant_(cast(Tensor, extra_norm.bias), 0.683)


def _convolutions(branch: nn.Sequential) -> list[nn.Conv2d]:
    return [layer for layer in branch if isinstance(layer, nn.Conv2d)]
