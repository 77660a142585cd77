"""Neural Response Normalization: the function and the module."""

from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from nasneurn.choices import check_known
from nasneurn.errors import InputError
from nasneurn.stems.leading import (
    as_batch,
    is_traced,
    like_given,
    recorded,
    refuse_script,
    unscripted,
)
from nasneurn.stems.moments import BORDERS, SCOPES, deviations, respond
from nasneurn.stems.stem_checks import check_images, check_number, check_odd, widened

#: What lies outside the image.
Border = Literal["reflect", "zero", "replicate"]
#: Where the greatest deviation is looked for.
Scope = Literal["image", "channel", "batch"]
#: What is made of the deviations.
Mode = Literal["contrast", "reciprocal", "local"]

_MODES: tuple[str, ...] = get_args(Mode)
_KERNEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def _check_options(
    k: int, border: str, scope: str, mode: str, eps: float, quantile: float | None
) -> None:
    check_odd("k", k, 3)
    check_known("border", border, BORDERS)
    check_known("scope", scope, SCOPES)
    check_known("mode", mode, _MODES)
    check_number("eps", eps, lambda eps: eps > 0, "a positive number")
    if quantile is not None:
        check_number("quantile", quantile, lambda q: 0 < q < 1, "a number between 0 and 1, or null")
        if mode != "contrast":
            raise InputError(
                f"quantile is {quantile!r} with mode={mode!r}; only the mode contrast has it"
            )


@unscripted
def neurn(
    x: Tensor,
    k: int = 3,
    *,
    border: Border = "reflect",
    scope: Scope = "image",
    mode: Mode = "contrast",
    eps: float = 1e-3,
    quantile: float | None = None,
) -> Tensor:
    r"""Neural Response Normalization: local contrast, as a share of the greatest in the image.

    With sigma the population standard deviation of the k x k patch centred on a pixel, for each
    channel alone and at stride 1, and c the maximum of sigma over ``scope``, the answer is

    - ``mode="contrast"``: sigma / c, the paper's formula, between 0 and 1;
    - ``mode="reciprocal"``: 1 / (c * sigma + eps), the literal reading of a formula in
      circulation, made finite; at most 1 / eps, which at the default fits into float16;
    - ``mode="local"``: sigma alone.

    With a ``quantile`` q, c is that quantile of sigma over ``scope`` instead of its maximum (linear
    between two values), and the answer is min(sigma / c, 1): a few pixels of the greatest contrast
    no longer decide on all others. The clip keeps the range of the paper's formula. Where c is 0,
    as where fewer than a share of 1 - q of the patches have any contrast, the answer is the limit:
    1 for any contrast, 0 for none.

    A blank image (with ``scope="channel"``, a blank channel) gives zeros and zero gradients in
    every mode; with ``border="zero"`` only black is blank, since any other shade has edges there.
    With c taken per image, neurn(a * x + b) = neurn(x) for every a != 0 in the mode "contrast",
    but for the zero border. A NaN spoils the values whose patch or whose c it touches, and is
    never hidden; an infinity makes NaN or infinity of the values whose patch it touches.

    Each channel of an image is first scaled by a power of two, so that finite images of any
    magnitude are answered alike: neurn(x * 2**n) has the bits of neurn(x) in the mode "contrast"
    as long as x * 2**n is exact. Within one channel, contrasts below about 1e-22 of its greatest
    value count as none.

    On a CPU, float32 and half precision go through a compiled kernel
    (:mod:`nasneurn.stems.neurn_cpu`). Everything else, a GPU, float64, meta tensors,
    ``torch.compile``, ``torch.export`` and ``torch.func``, takes plain PyTorch operations, whose
    element-wise steps ``torch.compile`` fuses. The kernel has a gradient of its own; derivatives of
    that are made by plain operations.

    Args:
        x: images (N, C, H, W), (C, H, W), (H, W), or with any further dimensions in front; of any
            floating point dtype, or uint8, which is divided by 255. Half precision is computed in
            float32.
        k: side of a patch, odd, at least 3.
        border: what lies outside the image: "reflect" (without repeating the edge), "zero" or
            "replicate".
        scope: where c is the maximum: "image" (over C, H, W), "channel" (over H, W), or "batch".
        mode: "contrast", "reciprocal" or "local".
        eps: the term that keeps "reciprocal" finite; the other modes do not use it.
        quantile: of sigma, in place of its maximum; of the mode "contrast" alone.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for an option that is not one of these, a tensor that is neither floating point
            nor uint8 or has fewer than two dimensions, or an image too small for its reflected
            border.

    Source: arXiv 2505.06881, the section that defines NeuRN. Neither k nor the border is given
    there.

    >>> edge = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).expand(1, 1, 4, 6)
    >>> neurn(edge)[0, 0, 0]
    tensor([0., 0., 1., 1., 0., 0.])
    """
    _check_options(k, border, scope, mode, eps, quantile)
    if is_traced(x):
        named = {"scope": scope, "mode": mode, "eps": eps, "quantile": quantile}
        return cast(Tensor, recorded(neurn, x, k, border=border, **named))
    given, x = x, as_batch(x)
    check_images(x)
    least = k // 2 + 1 if border == "reflect" else 1
    if min(x.shape[2:]) < least:
        raise InputError(
            f"images are {x.shape[2]} x {x.shape[3]}; k={k} with border={border!r} needs at least "
            f"{least} x {least}"
        )
    if x.numel() == 0:
        return like_given(x.clone(), given)
    if _fits_kernel(x):
        return like_given(_neurn_cpu(x, k, border, scope, mode, eps, quantile), given)
    answer = respond(*deviations(widened(x), k, border), scope, mode, eps, quantile).to(x.dtype)
    return like_given(answer, given)


def _fits_kernel(x: Tensor) -> bool:
    """Whether x is a plain tensor in this process's memory, and nobody is tracing."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return False
    return (
        x.device.type == "cpu"
        and x.dtype in _KERNEL_DTYPES
        and type(x) in (Tensor, nn.Parameter)
        and not is_in_torch_dispatch_mode()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )


def _neurn_cpu(
    x: Tensor, k: int, border: str, scope: str, mode: str, eps: float, quantile: float | None
) -> Tensor:
    from nasneurn.stems import neurn_cpu

    plain = x.float().contiguous()
    differentiated = torch.is_grad_enabled() and x.requires_grad
    # Plain operations do the rest: a maximum over the batch, a quantile, the gradient of
    # "reciprocal".
    rest = mode != "local" and (
        scope == "batch" or quantile is not None or (differentiated and mode == "reciprocal")
    )
    kernel_mode = "scaled" if rest else mode
    # Planes that share a maximum are one piece of work; those that need none are shared out.
    alone = scope == "channel" or kernel_mode in ("scaled", "local")
    group = 1 if alone else x.shape[1]
    if differentiated:

        def again(x: Tensor) -> Tensor:
            sigma, exponent = deviations(x, k, border)
            return sigma if rest else respond(sigma, exponent, scope, mode, eps)

        response, exponent = neurn_cpu.Response.apply(plain, k, border, group, kernel_mode, again)
    else:
        response, exponent, _ = neurn_cpu.forward(plain, k, border, group, kernel_mode, eps)
    if rest:
        response = respond(response, exponent, scope, mode, eps, quantile)
    answer: Tensor = response.to(x.dtype)
    return answer


class NeuRN(nn.Module):
    """Neural Response Normalization as a module; formula and options as in :func:`neurn`.

    Args:
        k: side of a patch, odd, at least 3.
        border: what lies outside the image: ``"reflect"``, ``"zero"`` or ``"replicate"``.
        scope: where c is the maximum: ``"image"``, ``"channel"`` or ``"batch"``.
        mode: ``"contrast"``, ``"reciprocal"`` or ``"local"``.
        eps: the term that keeps ``"reciprocal"`` finite.
        quantile: of sigma, in place of its maximum.

    Raises:
        InputError: for an option that is not one of these.

    >>> NeuRN(k=5)
    NeuRN(k=5, border='reflect', scope='image', mode='contrast')
    >>> NeuRN()(torch.zeros(1, 3, 8, 8)).max()
    tensor(0.)
    """

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
        _check_options(k, border, scope, mode, eps, quantile)
        self.k = k
        self.border = border
        self.scope = scope
        self.mode = mode
        self.eps = eps
        self.quantile = quantile

    @property
    def mixes_images(self) -> bool:
        """Whether the answer for an image depends on the others in its batch."""
        return self.scope == "batch"

    def forward(self, x: Tensor) -> Tensor:
        """Normalize images (N, C, H, W), or as :func:`neurn` takes them."""
        return neurn(
            x,
            self.k,
            border=self.border,
            scope=self.scope,
            mode=self.mode,
            eps=self.eps,
            quantile=self.quantile,
        )

    def __prepare_scriptable__(self) -> nn.Module:
        return cast(nn.Module, refuse_script("NeuRN"))

    def extra_repr(self) -> str:
        """Options, for ``repr``."""
        more = f", eps={self.eps}" if self.mode == "reciprocal" else ""
        more += "" if self.quantile is None else f", quantile={self.quantile}"
        return f"k={self.k}, border={self.border!r}, scope={self.scope!r}, mode={self.mode!r}{more}"
