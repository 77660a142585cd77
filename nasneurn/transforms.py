"""NeuRN among torchvision's transforms, version 2.

Its module in front of a network sees batches; this one stands in ``v2.Compose``, also before the
batches are made, and lets labels, boxes and masks through.
"""

from typing import Any

import PIL.Image
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional
from torchvision.transforms.v2._utils import is_pure_tensor

from nasneurn.stems.neural_response import Border, Mode, Scope
from nasneurn.stems.neural_response import NeuRN as NeuRNModule


class NeuRN(v2.Transform):
    """Neural Response Normalization of the images in whatever a pipeline passes on.

    Images are tensors, ``tv_tensors.Image`` and ``Video`` of any leading dimensions, and PIL
    images. Of several pure tensors in one sample the first is the image, as torchvision has it;
    labels and all else pass through. An image is answered as a tensor in [0, 1], float32 for uint8
    and for PIL images (a ``tv_tensors.Image``), so :class:`v2.ToTensor` is not needed after it.
    A PIL image in colours is taken as RGB, and one in greys as one channel.

    Args:
        k: side of a patch, odd, at least 3.
        border, scope, mode, eps, quantile: as of :class:`nasneurn.stems.NeuRN`.

    Raises:
        InputError: as of :func:`nasneurn.stems.neurn`.

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
            grey = inpt.mode in ("1", "L", "LA")
            inpt = functional.to_image(inpt.convert("L" if grey else "RGB"))
        if not isinstance(inpt, tv_tensors.TVTensor):
            return self.stem(inpt)
        answer = self.stem(inpt.as_subclass(torch.Tensor))
        return tv_tensors.wrap(answer, like=inpt)

    def extra_repr(self) -> str:
        """The stem's options, for ``repr``."""
        return ""
