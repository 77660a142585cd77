"""NeuRN among torchvision's transforms, version 2.

Its module in front of a network sees batches; this one stands in ``v2.Compose``, also before the
batches are made, and lets labels, boxes and masks through.
"""

from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional
from torchvision.transforms.v2._utils import is_pure_tensor

from nasneurn.domains.decoding import DEEP_GREY
from nasneurn.errors import InputError
from nasneurn.stems.neural_response import Border, Mode, Scope
from nasneurn.stems.neural_response import NeuRN as NeuRNModule

#: Modes of PIL with one channel of 8 bits or less, and an opacity that is left out.
_GREY = ("1", "L", "LA")
#: The greatest value of 16 bits, which becomes 1.
_DEEPEST = 65535


class NeuRN(v2.Transform):
    """Neural Response Normalization of the images in whatever a pipeline passes on.

    Images are tensors, ``tv_tensors.Image`` and ``Video`` of any leading dimensions, and PIL
    images. Of several pure tensors in one sample the first is the image, as torchvision has it;
    labels and all else pass through. An image is answered as a tensor in [0, 1], float32 for uint8
    and for PIL images (a ``tv_tensors.Image``), so :class:`v2.ToTensor` is not needed after it.
    A PIL image in colours is taken as RGB, and one in greys as one channel: 16 bits (``I;16`` and
    its like) are divided by 65535; so are whole numbers of 32 bits (``I``, as which 16 bits are
    also opened), which must be from 0 to 65535; floats (``F``) are taken as they are.

    Args:
        k: side of a patch, odd, at least 3.
        border, scope, mode, eps, quantile: as of :class:`nasneurn.stems.NeuRN`.

    Raises:
        InputError: as of :func:`nasneurn.stems.neurn`; an image of mode ``I`` has other values, or
            one of another mode cannot be taken as RGB.

    >>> image = PIL.Image.new("RGB", (8, 6))
    >>> answer, label = NeuRN(k=5)((image, 3))
    >>> type(answer).__name__, answer.shape, answer.dtype, label
    ('Image', torch.Size([3, 6, 8]), torch.float32, 3)
    """

    _transformed_types = (PIL.Image.Image, tv_tensors.Image, tv_tensors.Video, is_pure_tensor)

    def __init__(
        self,
        k: int = 3,
        *,
        border: Border = "reflect",
        scope: Scope = "image",
        mode: Mode = "contrast",
        eps: float = 1e-3,
        quantile: float | None = None,
    ) -> None:
        super().__init__()
        self.stem = NeuRNModule(
            k, border=border, scope=scope, mode=mode, eps=eps, quantile=quantile
        )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Normalize one image, or the frames of one video."""
        if isinstance(inpt, PIL.Image.Image):
            inpt = tv_tensors.Image(_pixels(inpt))
        if not isinstance(inpt, tv_tensors.TVTensor):
            return self.stem(inpt)
        answer = self.stem(inpt.as_subclass(torch.Tensor))
        return tv_tensors.wrap(answer, like=inpt)

    def extra_repr(self) -> str:
        """The stem's options, for ``repr``."""
        return ""


def _pixels(image: PIL.Image.Image) -> Tensor:
    """A PIL image as a tensor (C, H, W): uint8, or float32 where its pixels are deeper."""
    if image.mode == "F":
        return torch.from_numpy(np.array(image, dtype=np.float32))[None]
    if image.mode in DEEP_GREY:
        values = np.array(image, dtype=np.float32)
        if values.size and not 0 <= values.min() <= values.max() <= _DEEPEST:
            raise InputError(
                f"an image of mode {image.mode} has values from {values.min():.0f} to "
                f"{values.max():.0f}; from 0 to {_DEEPEST} are taken, others as floats (mode F)"
            )
        return torch.from_numpy(values / _DEEPEST)[None]
    try:
        converted = image.convert("L" if image.mode in _GREY else "RGB")
    except ValueError as error:
        raise InputError(f"an image of mode {image.mode} cannot be taken: {error}") from None
    pixels: Tensor = functional.pil_to_tensor(converted)
    return pixels
