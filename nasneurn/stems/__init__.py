"""Input stems: what an image goes through before the backbone. NeuRN, and its rivals.

A stem takes images (N, C, H, W) and gives back as many of the same shape and dtype. It has no
parameters and no buffers, so a checkpoint with a stem is the checkpoint without.

>>> import torch
>>> images = torch.rand(2, 3, 32, 32)
>>> create_stem("neurn", k=5)(images).shape
torch.Size([2, 3, 32, 32])
"""

import difflib
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from nasneurn.errors import InputError

__all__ = [
    "NeuRN",
    "RandomConvolution",
    "create_stem",
    "grey",
    "instance_norm",
    "list_stems",
    "local_contrast_norm",
    "local_response_norm",
    "neurn",
    "random_convolution",
    "sobel",
]

#: What torch calls each border.
_BORDERS = {"reflect": "reflect", "zero": "constant", "replicate": "replicate"}
#: The dimensions over which c is the maximum.
_SCOPES = {"image": (1, 2, 3), "channel": (2, 3), "batch": (0, 1, 2, 3)}
_MODES = ("contrast", "reciprocal", "local")

_KERNEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


# ---------------------------------------------------------------- what can be asked for


def _check_name(option: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"unknown {option} {value!r}: {_suggest(str(value), known)}")


def _suggest(value: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, known, n=3)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "choose one of " + ", ".join(known)


def _check_odd(name: str, value: object, least: int) -> None:
    odd = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not odd or value % 2 == 0:  # type: ignore[operator]
        raise InputError(f"{name} is {value!r}; it must be an odd integer of at least {least}")


def _check_images(x: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise InputError(f"images are a {type(x).__name__}; a tensor (N, C, H, W) is needed")
    if x.ndim != 4:
        raise InputError(f"images have shape {tuple(x.shape)}; four dimensions (N, C, H, W) needed")
    if not x.is_floating_point():
        raise InputError(
            f"images are {x.dtype}; a floating point tensor is needed, as by x.float()"
        )


def _check_options(k: int, border: str, scope: str, mode: str, eps: float) -> None:
    _check_odd("k", k, 3)
    _check_name("border", border, tuple(_BORDERS))
    _check_name("scope", scope, tuple(_SCOPES))
    _check_name("mode", mode, _MODES)
    if not (isinstance(eps, float | int) and math.isfinite(eps) and eps > 0):
        raise InputError(f"eps is {eps!r}; it must be a positive number")


def _wide(x: Tensor) -> Tensor:
    """Half precision as float32, in which everything here is computed."""
    return x if x.dtype == torch.float64 else x.float()


# ---------------------------------------------------------------- NeuRN


def neurn(
    x: Tensor,
    k: int = 3,
    *,
    border: str = "reflect",
    scope: str = "image",
    mode: str = "contrast",
    eps: float = 1e-3,
) -> Tensor:
    r"""Neural Response Normalization: local contrast, as a share of the greatest in the image.

    With sigma the population standard deviation of the k x k patch centred on a pixel, for each
    channel alone and at stride 1, and c the maximum of sigma over ``scope``, the answer is

    - ``mode="contrast"``: sigma / c, the paper's formula, between 0 and 1;
    - ``mode="reciprocal"``: 1 / (c * sigma + eps), the literal reading of a formula in
      circulation, made finite; at most 1 / eps, which at the default fits into float16;
    - ``mode="local"``: sigma alone.

    A blank image (with ``scope="channel"``, a blank channel) gives zeros and zero gradients in
    every mode; with ``border="zero"`` only black is blank, since any other shade has edges there.
    With c taken per image, neurn(a * x + b) = neurn(x) for every a != 0 in the mode "contrast",
    but for the zero border. A NaN spoils the values whose patch or whose c it touches, and is
    never hidden. Squares must fit into float32: contrasts below about 1e-22 count as none.

    On a CPU, float32 and half precision go through a compiled kernel
    (:mod:`nasneurn.stems.neurn_cpu`). Everything else, a GPU, float64, meta tensors,
    ``torch.compile``, ``torch.export`` and ``torch.func``, takes plain PyTorch operations, whose
    element-wise steps ``torch.compile`` fuses. The kernel has a gradient of its own; derivatives of
    that are made by plain operations.

    Args:
        x: images (N, C, H, W), of any floating point dtype. Half precision is computed in float32.
        k: side of a patch, odd, at least 3.
        border: what lies outside the image: "reflect" (without repeating the edge), "zero" or
            "replicate".
        scope: where c is the maximum: "image" (over C, H, W), "channel" (over H, W), or "batch".
        mode: "contrast", "reciprocal" or "local".
        eps: the term that keeps "reciprocal" finite; the other modes do not use it.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        InputError: for an option that is not one of these, a tensor that is not floating point or
            not (N, C, H, W), or an image too small for its reflected border.

    Source: arXiv 2505.06881, the section that defines NeuRN. Neither k nor the border is given
    there.

    >>> edge = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).expand(1, 1, 4, 6)
    >>> neurn(edge)[0, 0, 0]
    tensor([0., 0., 1., 1., 0., 0.])
    """
    _check_options(k, border, scope, mode, eps)
    _check_images(x)
    least = k // 2 + 1 if border == "reflect" else 1
    if min(x.shape[2:]) < least:
        raise InputError(
            f"images are {x.shape[2]} x {x.shape[3]}; k={k} with border={border!r} needs at least "
            f"{least} x {least}"
        )
    if x.numel() == 0:
        return x.clone()
    if _fits_kernel(x):
        return _neurn_cpu(x, k, border, scope, mode, eps)
    return _scale(_sigma(_wide(x), k, border), scope, mode, eps).to(x.dtype)


def _sigma(x: Tensor, k: int, border: str) -> Tensor:
    """Standard deviation of each patch: the law of total variance, first along rows, then across.

    Plain operations, which can be traced, compiled, exported, and differentiated twice.
    """
    r = k // 2
    # Sigma does not change with a shift, but its rounding does.
    anchor = x.detach().mean((2, 3), keepdim=True).nan_to_num(0.0, 0.0, 0.0)
    padded = F.pad(x, (r, r, r, r), mode=_BORDERS[border]) - anchor
    mean, squares = _windows(padded, torch.zeros_like(padded), k, 3)
    mean, squares = _windows(mean, squares / k, k, 2)
    flat = squares == 0
    # The square root's slope at zero is infinite: keep it out of the gradient.
    return (squares / k).masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0)


def _windows(mean: Tensor, squares: Tensor, k: int, dim: int) -> tuple[Tensor, Tensor]:
    """Mean, and sum of squared deviations from it, of every k cells in a line.

    Windows are made from windows half as long, or those and one cell more, by the binary digits
    of k. Nothing cancels, and equal cells give exactly zero.
    """
    cells = mean, squares
    total, n = mean.shape[dim], 1
    for digit in bin(k)[3:]:
        count = total - 2 * n + 1
        a = mean.narrow(dim, 0, count), squares.narrow(dim, 0, count)
        b = mean.narrow(dim, n, count), squares.narrow(dim, n, count)
        mean, squares = _merge(a, b, n, n)
        n *= 2
        if digit == "1":
            count = total - n
            a = mean.narrow(dim, 0, count), squares.narrow(dim, 0, count)
            b = cells[0].narrow(dim, n, count), cells[1].narrow(dim, n, count)
            mean, squares = _merge(a, b, n, 1)
            n += 1
    return mean, squares


def _merge(
    a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], n: int, m: int
) -> tuple[Tensor, Tensor]:
    """Moments of n and m cells together (Chan, Golub and LeVeque 1979)."""
    delta = b[0] - a[0]
    mean = a[0] + delta * (m / (n + m))
    return mean, a[1] + b[1] + delta * delta * (n * m / (n + m))


def _scale(sigma: Tensor, scope: str, mode: str, eps: float) -> Tensor:
    if mode == "local":
        return sigma
    c = sigma.amax(_SCOPES[scope], keepdim=True)
    if mode == "contrast":
        return sigma / c.masked_fill(c == 0, 1.0)
    # A blank image in a batch that is not blank has c > 0.
    one = (2, 3) if scope == "channel" else (1, 2, 3)
    blank = sigma.amax(one, keepdim=True) == 0
    return (1.0 / (c * sigma + eps)).masked_fill(blank, 0.0)


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


def _neurn_cpu(x: Tensor, k: int, border: str, scope: str, mode: str, eps: float) -> Tensor:
    from nasneurn.stems import neurn_cpu

    plain = x.float().contiguous()
    differentiated = torch.is_grad_enabled() and x.requires_grad
    # Plain operations do the rest: a maximum over the batch, and the gradient of "reciprocal".
    rest = scope == "batch" or (differentiated and mode == "reciprocal")
    kernel_mode = "local" if rest else mode
    # Planes that share a maximum are one piece of work; those that need none are shared out.
    group = 1 if scope == "channel" or kernel_mode == "local" else x.shape[1]
    response: Tensor
    if differentiated:
        response = neurn_cpu.Response.apply(
            plain, k, border, group, kernel_mode,
            lambda x: _scale(_sigma(x, k, border), scope, kernel_mode, eps),
        )  # fmt: skip
    else:
        response, _ = neurn_cpu.forward(plain, k, border, group, kernel_mode, eps)
    return (_scale(response, scope, mode, eps) if rest else response).to(x.dtype)


class NeuRN(nn.Module):
    """Neural Response Normalization as a module; formula and options as in :func:`neurn`.

    >>> NeuRN(k=5)
    NeuRN(k=5, border='reflect', scope='image', mode='contrast')
    >>> NeuRN()(torch.zeros(1, 3, 8, 8)).max()
    tensor(0.)
    """

    def __init__(
        self,
        k: int = 3,
        *,
        border: str = "reflect",
        scope: str = "image",
        mode: str = "contrast",
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        _check_options(k, border, scope, mode, eps)
        self.k = k
        self.border = border
        self.scope = scope
        self.mode = mode
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalize images (N, C, H, W)."""
        return neurn(x, self.k, border=self.border, scope=self.scope, mode=self.mode, eps=self.eps)

    def extra_repr(self) -> str:
        """Options, for ``repr``."""
        eps = f", eps={self.eps}" if self.mode == "reciprocal" else ""
        return f"k={self.k}, border={self.border!r}, scope={self.scope!r}, mode={self.mode!r}{eps}"


# ---------------------------------------------------------------- rivals


def grey(x: Tensor) -> Tensor:
    """Luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) in all three channels.

    Images of one channel are returned as they are; another number of channels is an InputError.

    >>> grey(torch.ones(1, 3, 2, 2))[0, :, 0, 0]
    tensor([1., 1., 1.])
    """
    _check_images(x)
    if x.shape[1] == 1:
        return x
    if x.shape[1] != 3:
        raise InputError(f"images have {x.shape[1]} channels; grey needs 1 or 3 (red, green, blue)")
    red, green, blue = _wide(x).unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma.unsqueeze(1).repeat(1, 3, 1, 1).to(x.dtype)


def instance_norm(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Standardize each channel of each image: (x - mean) / sqrt(variance + eps).

    That of Ulyanov et al., "Instance Normalization" (arXiv 1607.08022), without affine
    parameters. A blank channel gives exact zeros.

    >>> instance_norm(torch.tensor([[[[0.0, 2.0]]]]), eps=0.0)
    tensor([[[[-1.,  1.]]]])
    """
    _check_images(x)
    wide = _wide(x)
    # From one of its own values: a blank channel is then zero before its mean can be rounded.
    wide = wide - wide[..., :1, :1]
    centred = wide - wide.mean((2, 3), keepdim=True)
    variance = centred.square().mean((2, 3), keepdim=True)
    # Only eps = 0 leaves a zero to divide by.
    deviation = (variance + eps).sqrt()
    return (centred / deviation.masked_fill(deviation == 0, 1.0)).to(x.dtype)


def _taps(x: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    """Weighted sum of neighbours in a line, with the edge repeated.

    Not a convolution operator: autocast would run that in half precision.
    """
    r = len(weights) // 2
    padded = F.pad(x, (r, r, 0, 0) if dim == 3 else (0, 0, r, r), mode="replicate")
    size = x.shape[dim]
    total = weights[0] * padded.narrow(dim, 0, size)
    for i, weight in enumerate(weights[1:], start=1):
        total = total + weight * padded.narrow(dim, i, size)
    return total


def _gaussian(x: Tensor, size: int) -> Tensor:
    raw = [math.exp(-0.5 * ((i - size // 2) / (size / 4)) ** 2) for i in range(size)]
    weights = [w / sum(raw) for w in raw]
    return _taps(_taps(x, weights, 3), weights, 2)


def local_contrast_norm(x: Tensor, size: int = 9) -> Tensor:
    """Subtractive and divisive local contrast normalization.

    v = x - G*x, then v / max(c, s) with s = sqrt(G*v^2) and c the mean of s over the image. The
    Gaussian window G (``size`` pixels wide, standard deviation size / 4) sums to one over
    all channels, which therefore share G*x and s. Where both c and s are zero, so is the answer.

    Source: Jarrett, Kavukcuoglu, Ranzato and LeCun, "What is the Best Multi-Stage Architecture
    for Object Recognition?", ICCV 2009, section 2.1. Its border is not given there; here the
    edge is repeated.

    >>> local_contrast_norm(torch.rand(1, 3, 16, 16)).shape
    torch.Size([1, 3, 16, 16])
    """
    _check_images(x)
    _check_odd("size", size, 3)
    if x.numel() == 0:
        return x.clone()
    wide = _wide(x)
    wide = wide - wide[:, :1, :1, :1]  # a blank image is exactly zero from here on
    v = wide - _gaussian(wide.mean(1, keepdim=True), size)
    variance = _gaussian(v.square().mean(1, keepdim=True), size)
    flat = variance == 0
    deviation = variance.masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0)
    floor = deviation.mean((1, 2, 3), keepdim=True)
    divisor = torch.maximum(deviation, floor)
    return (v / divisor.masked_fill(divisor == 0, 1.0)).to(x.dtype)


def local_response_norm(
    x: Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by (k + alpha * mean of squares over ``size`` neighbouring channels) ** beta.

    That of PyTorch, after Krizhevsky et al., "ImageNet Classification with Deep Convolutional
    Neural Networks", 2012, section 3.3.

    >>> local_response_norm(torch.zeros(1, 3, 2, 2)).sum()
    tensor(0.)
    """
    _check_images(x)
    return F.local_response_norm(_wide(x), size, alpha, beta, k).to(x.dtype)


def sobel(x: Tensor) -> Tensor:
    """Gradient magnitude of each channel, sqrt(gx^2 + gy^2), with the edge repeated.

    The weights are divided by 8, so that a ramp of slope one gives one.

    >>> sobel(torch.arange(5.0).expand(1, 1, 5, 5))[0, 0, 2]
    tensor([0.5000, 1.0000, 1.0000, 1.0000, 0.5000])
    """
    _check_images(x)
    if x.numel() == 0:
        return x.clone()
    wide = _wide(x)
    smooth, slope = (0.25, 0.5, 0.25), (-0.5, 0.0, 0.5)
    gx = _taps(_taps(wide, slope, 3), smooth, 2)
    gy = _taps(_taps(wide, slope, 2), smooth, 3)
    squared = gx.square() + gy.square()
    flat = squared == 0
    return squared.masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0).to(x.dtype)


def random_convolution(
    x: Tensor, kernel_sizes: Sequence[int] = (1, 3, 5, 7), mix: bool = True
) -> Tensor:
    """Convolve a batch with one random kernel, and mix with the original.

    alpha * x + (1 - alpha) * conv(x, W), with alpha ~ U(0, 1), a kernel size k drawn from
    ``kernel_sizes``, W ~ N(0, 1 / (C k^2)) of C channels to C channels, and zeros outside the
    image. Without ``mix``, alpha = 0. Draws from torch's global generator.

    Source: Xu, Liu, Yang, Raffel and Niethammer, "Robust and Generalizable Visual Representation
    Learning via Random Convolutions", ICLR 2021, section 3 (RC_mix with kernels of 1 to 7).

    >>> _ = torch.manual_seed(0)
    >>> random_convolution(torch.rand(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """
    _check_images(x)
    wide = _wide(x)
    channels = x.shape[1]
    size = kernel_sizes[int(torch.randint(len(kernel_sizes), ()))]
    weight = torch.randn(channels, channels, size, size).to(wide)
    alpha = torch.rand(()).to(wide) if mix else 0.0
    mixed = F.conv2d(wide, weight / (size * math.sqrt(channels or 1)), padding=size // 2)
    return (alpha * wide + (1 - alpha) * mixed).to(x.dtype)


class RandomConvolution(nn.Module):
    """:func:`random_convolution` while training, and nothing in evaluation.

    >>> RandomConvolution().eval()(torch.ones(1, 1, 1, 1))
    tensor([[[[1.]]]])
    """

    def __init__(self, kernel_sizes: Sequence[int] = (1, 3, 5, 7), mix: bool = True) -> None:
        super().__init__()
        if isinstance(kernel_sizes, int) or not kernel_sizes:
            raise InputError(f"kernel_sizes is {kernel_sizes!r}; a list of odd integers is needed")
        for size in kernel_sizes:
            _check_odd("kernel size", size, 1)
        self.kernel_sizes = tuple(kernel_sizes)
        self.mix = mix

    def forward(self, x: Tensor) -> Tensor:
        """Augment images (N, C, H, W)."""
        return random_convolution(x, self.kernel_sizes, self.mix) if self.training else x

    def extra_repr(self) -> str:
        """Options, for ``repr``."""
        return f"kernel_sizes={self.kernel_sizes}, mix={self.mix}"


class _Plain(nn.Module):
    """A function of images, with its options, as a module."""

    def __init__(self, function: Callable[..., Tensor], **options: Any) -> None:
        super().__init__()
        self.function = function
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, **self.options)

    def extra_repr(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return self.function.__name__ + options


# ---------------------------------------------------------------- by name


def _grey() -> nn.Module:
    return _Plain(grey)


def _instance_norm(eps: float = 1e-5) -> nn.Module:
    return _Plain(instance_norm, eps=eps)


def _local_contrast_norm(size: int = 9) -> nn.Module:
    _check_odd("size", size, 3)
    return _Plain(local_contrast_norm, size=size)


def _local_response_norm(
    size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> nn.Module:
    return _Plain(local_response_norm, size=size, alpha=alpha, beta=beta, k=k)


def _none() -> nn.Module:
    return nn.Identity()


def _sobel() -> nn.Module:
    return _Plain(sobel)


#: Every stem, and what makes it; its options are the maker's.
_STEMS: dict[str, Callable[..., nn.Module]] = {
    "none": _none,
    "neurn": NeuRN,
    "grey": _grey,
    "instance_norm": _instance_norm,
    "local_contrast_norm": _local_contrast_norm,
    "local_response_norm": _local_response_norm,
    "sobel": _sobel,
    "randconv": RandomConvolution,
}


def list_stems() -> list[str]:
    """Names that :func:`create_stem` knows.

    >>> list_stems()[:2]
    ['none', 'neurn']
    """
    return list(_STEMS)


def create_stem(name: str, **options: Any) -> nn.Module:
    """Make a stem by its name.

    Raises:
        InputError: for a name or an option that does not exist.

    >>> create_stem("local_contrast_norm", size=7)
    _Plain(local_contrast_norm, size=7)
    """
    _check_name("stem", name, list_stems())
    make = _STEMS[name]
    known = tuple(inspect.signature(make).parameters)
    for option in options:
        if not known:
            raise InputError(f"unknown option {option!r}: the stem {name} has none")
        _check_name(f"option of the stem {name}", option, known)
    return make(**options)
