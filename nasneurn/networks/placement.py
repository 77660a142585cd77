"""Where a stem stands: in front of a network, beside the image, mixed with it, behind a layer."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from nasneurn.choices import Choice
from nasneurn.errors import InputError, one_line
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.build import Description, create_network, describe, multiply_adds
from nasneurn.networks.places import BY_CONVOLUTION, FIRST_SHARES, Placement
from nasneurn.stems import STEMS


class Concatenate(nn.Module):
    """The image and the stem's answer as channels of one: (N, C, H, W) -> (N, 2 C, H, W)."""

    def __init__(self, plain: nn.Module, stem: nn.Module) -> None:
        super().__init__()
        self.plain = plain
        self.stem = stem

    def forward(self, x: Tensor) -> Tensor:
        """Both of images (N, C, H, W)."""
        both: Tensor = torch.cat([self.plain(x), self.stem(x)], 1)
        return both


class Mix(nn.Module):
    """x + a (stem(x) - x), with a share a that is learned: a sigmoid, 0.5 at first."""

    def __init__(self, plain: nn.Module, stem: nn.Module) -> None:
        super().__init__()
        self.plain = plain
        self.stem = stem
        self.logit = nn.Parameter(torch.zeros(()))

    @property
    def share(self) -> float:
        """The share a of the stem."""
        return float(torch.sigmoid(self.logit.detach()))

    def forward(self, x: Tensor) -> Tensor:
        """Mix images (N, C, H, W) with the stem's answers."""
        plain = self.plain(x)
        mixed: Tensor = plain + torch.sigmoid(self.logit) * (self.stem(x) - plain)
        return mixed


class FreeMix(nn.Module):
    """x + a (stem(x) - x), with a learned share a that is any number.

    At 0 it gives the image and at 1 the stem's answer, both to the last bit.
    """

    def __init__(self, plain: nn.Module, stem: nn.Module, first: float) -> None:
        super().__init__()
        self.plain = plain
        self.stem = stem
        self.weight = nn.Parameter(torch.tensor(first))

    @property
    def share(self) -> float:
        """The share a of the stem."""
        return float(self.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Mix images (N, C, H, W) with the stem's answers."""
        mixed: Tensor = torch.lerp(self.plain(x), self.stem(x), self.weight)
        return mixed


def shares(network: nn.Module) -> list[nn.Parameter]:
    """The learned numbers that say how much of a stem there is in a mix."""
    mixes = [module for module in network.modules() if isinstance(module, Mix | FreeMix)]
    return [number for mix in mixes for number in mix.parameters(recurse=False)]


class Switch(nn.Module):
    """One module in training, another when it is measured."""

    def __init__(self, training: nn.Module, testing: nn.Module) -> None:
        super().__init__()
        self.in_training = training
        self.in_testing = testing

    def forward(self, x: Tensor) -> Tensor:
        """Answer images (N, C, H, W) as the mode says."""
        given: Tensor = (self.in_training if self.training else self.in_testing)(x)
        return given


def placed(
    placement: Placement,
    body: nn.Module,
    stem: nn.Module,
    plain: nn.Module,
    bare: nn.Module,
    first: str = "",
    seed: int = 0,
) -> nn.Sequential:
    """A network of two parts: what makes its input of an image, and the body.

    The body keeps its parameters and their names. For ``concatenate`` its first convolution gets
    weights for three more channels, behind those that it has: normal numbers of mean 0 and of the
    deviation of those, drawn by ``seed`` alone, so that all else is as without a stem.

    Args:
        placement: a key of :data:`nasneurn.networks.places.PLACEMENTS`.
        body: images (N, 3, S, S) -> logits; it is changed in place.
        stem: the stem, its answers standardized; for ``inside``, what standardizes images with the
            stem after it.
        plain: what standardizes images without a stem.
        bare: the stem as it is, for maps, whose statistics no source tells.
        first: the name in the body of the convolution that sees the images, where it is needed.
        seed: of the weights of the further channels.
    """
    match placement:
        case "concatenate":
            _widen(body.get_submodule(first), seed)
            return nn.Sequential(Concatenate(plain, stem), body)
        case "mix":
            return nn.Sequential(Mix(plain, stem), body)
        case "mix_from_image" | "mix_from_stem":
            return nn.Sequential(FreeMix(plain, stem, FIRST_SHARES[placement]), body)
        case "after_first":
            convolution = body.get_submodule(first)
            convolution.add_module("followed_by", bare)
            convolution.register_forward_hook(_follow)
            return nn.Sequential(plain, body)
        case "training":
            return nn.Sequential(Switch(stem, plain), body)
        case "testing":
            return nn.Sequential(Switch(plain, stem), body)
    return nn.Sequential(stem, body)


def _follow(module: nn.Module, inputs: Any, output: Tensor) -> Any:
    return module.get_submodule("followed_by")(output)


def _widen(convolution: nn.Module, seed: int) -> None:
    """Give a convolution twice the input channels; of the first ones the weights stay."""
    assert isinstance(convolution, nn.Conv2d)
    old = convolution.weight.detach()
    if old.is_meta:
        more = torch.empty_like(old)
    else:
        drawn = torch.randn(old.shape, generator=torch.Generator().manual_seed(seed))
        more = (drawn * old.float().std().cpu()).to(old)
    trained = convolution.weight.requires_grad
    convolution.weight = nn.Parameter(torch.cat([old, more], 1), requires_grad=trained)
    convolution.in_channels *= 2


@lru_cache(maxsize=64)
def first_convolution(
    architecture: Architecture, classes: int, image_size: int, adapting: Adapting = "as-published"
) -> str:
    """The name of the convolution through which a network sees its images.

    Raises:
        InputError: it sees them through something else.
    """
    seen: list[tuple[str, tuple[int, ...]]] = []
    with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
        network, _ = create_network(architecture, classes, image_size, adapting, fresh=False)
        network.eval()
        names = {module: name for name, module in network.named_modules()}

        def see(module: nn.Module, inputs: Any) -> None:
            if isinstance(module, nn.Conv2d | nn.Linear):
                seen.append((names[module], tuple(inputs[0].shape)))

        for module in names:
            module.register_forward_pre_hook(see)
        network(torch.empty(2, 3, image_size, image_size))
    for name, shape in seen[:1]:
        module = network.get_submodule(name)
        if isinstance(module, nn.Conv2d) and module.groups == 1 and shape[1] == 3:
            return name
    raise InputError(
        f"{architecture.name} does not see its images through a convolution, so that a stem can "
        "neither be concatenated with them nor stand after_first; choose another placement"
    )


@lru_cache(maxsize=256)
def describe_placed(
    placement: Placement,
    stem: Choice,
    architecture: Architecture,
    classes: int,
    image_size: int,
    adapting: Adapting = "as-published",
) -> Description:
    """See that a network with a stem in that place gives logits; and what it costs.

    Raises:
        InputError: it does not.
    """
    about = describe(architecture, classes, image_size, adapting)
    if placement not in (*BY_CONVOLUTION, "mix", *FIRST_SHARES):  # nothing is added
        return about
    first = (
        first_convolution(architecture, classes, image_size, adapting)
        if placement in BY_CONVOLUTION
        else ""
    )
    images = torch.empty(2, 3, image_size, image_size, device="meta")
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
            body, _ = create_network(architecture, classes, image_size, adapting)
            made = STEMS.create(stem)
            whole = placed(placement, body, made, nn.Identity(), made, first)
            logits, flops = multiply_adds(whole.eval(), images)
    except Exception as error:  # whatever a stem or network of the user's own raises
        told = one_line(error, None)
        raise InputError(
            f"{architecture.name} cannot be trained with {stem} placed {placement}: {told}"
        ) from error
    if logits.shape != (2, classes):
        raise InputError(
            f"{architecture.name} with {stem} placed {placement} gives {tuple(logits.shape)} for "
            f"two images, must give logits (2, {classes})"
        )
    params = sum(weight.numel() for weight in whole.parameters())
    return Description(about.adaptation, params, flops)
