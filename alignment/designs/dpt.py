"""DPT-Large: depth from one image, with a vision transformer as encoder (MiDaS v3).

Ranftl et al., Vision Transformers for Dense Prediction, ICCV 2021 (arXiv 2103.13413), section 3 and
figure 1. The transformer is timm's ViT-L/16 for images of 384 pixels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from timm.models.vision_transformer import vit_large_patch16_384
from torch import Tensor, nn

from alignment.designs.refinenet import Decoder

#: After which blocks the tokens are taken, and the channels to which they are brought.
BLOCKS = (5, 11, 17, 23)
CHANNELS = (256, 512, 1024, 1024)


class Transpose(nn.Module):
    """Tokens to the last dimension."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) to (N, D, L)."""
        return tokens.transpose(1, 2)


class Readout(nn.Module):
    """What the class token says, projected into each of the others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(2 * width, width), nn.GELU())
        self.transpose = Transpose()

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, 1 + L, D) to (N, D, L)."""
        patches = tokens[:, 1:]
        every = tokens[:, :1].expand_as(patches)
        out: Tensor = self.transpose(self.project(torch.cat((patches, every), dim=-1)))
        return out


class DPT(nn.Module):
    """A vision transformer whose tokens become maps at four sizes, and the decoder of MiDaS."""

    def __init__(self, vit: nn.Module, width: int, decoder: Decoder) -> None:
        super().__init__()
        self.vit = vit
        self.readouts = nn.ModuleList(Readout(width) for _ in BLOCKS)
        resizes: Sequence[list[nn.Module]] = (
            [nn.ConvTranspose2d(CHANNELS[0], CHANNELS[0], 4, stride=4)],
            [nn.ConvTranspose2d(CHANNELS[1], CHANNELS[1], 2, stride=2)],
            [],
            [nn.Conv2d(CHANNELS[3], CHANNELS[3], 3, stride=2, padding=1)],
        )
        self.resizes = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1), *resize)
            for channels, resize in zip(CHANNELS, resizes, strict=True)
        )
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 384, 384) to (N, 384, 384)."""
        maps = [readout(one) for readout, one in zip(self.readouts, self._tokens(x), strict=True)]
        height, width = x.shape[-2] // 16, x.shape[-1] // 16
        maps = [one.unflatten(2, (height, width)) for one in maps]
        out: Tensor = self.decoder(
            [resize(one) for resize, one in zip(self.resizes, maps, strict=True)]
        )
        return out

    def _tokens(self, x: Tensor) -> list[Tensor]:
        vit: Any = self.vit
        patches = vit.patch_embed.proj(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((vit.cls_token.expand(len(x), -1, -1), patches), dim=1)
        tokens = vit.pos_drop(tokens + vit.pos_embed)
        taken = []
        for number, block in enumerate(vit.blocks):
            tokens = block(tokens)
            if number in BLOCKS:
                taken.append(tokens)
        # The published network runs the last norm too, and makes no use of it.
        vit.norm(tokens)
        return taken


def dpt_large() -> nn.Module:
    """DPT-Large for images of 384 pixels: (N, 3, 384, 384) to (N, 384, 384).

    344,055,465 parameters, among them the transformer's classifier, which is never run.
    """
    decoder = Decoder(CHANNELS, (256,) * 4, hidden=128, newer=True, align_corners=True)
    return DPT(vit_large_patch16_384(), 1024, decoder)
