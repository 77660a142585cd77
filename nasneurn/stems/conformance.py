"""What every stem must keep, checked before it is trained with: :func:`check_stem`."""

import copy
import pickle
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nasneurn.choices import Choice
from nasneurn.errors import InputError, kind_and_line
from nasneurn.stems.registry import STEMS

#: How far the answer for an image may move with its batch, as a share of its greatest value.
_TOLERANCE = 1e-4


def check_stem(
    build: str | Choice | Callable[[], nn.Module], image_shape: tuple[int, int, int] = (3, 32, 32)
) -> None:
    """Refuse a stem that does not keep what the trainings rely on.

    A stem

    - is an ``nn.Module`` without parameters and without buffers that its state holds, so that a
      checkpoint with it is the checkpoint without (buffers with ``persistent=False`` are allowed);
    - gives float32 images (N, C, H, W) back in the same shape and dtype, in training and in
      evaluation, one image or several, and does not write to what it is given;
    - gives finite values and gradients for finite images, blank ones and very faint ones too;
    - gives the same when it is called twice in evaluation;
    - answers for each image by itself in evaluation. One whose answer depends on the batch says so
      by a true attribute ``mixes_images``, as NeuRN with ``scope="batch"`` does: its accuracy
      depends on the size and order of the batches it is measured with;
    - can be copied and pickled, and its copies give the same;
    - runs on the meta device, where a network is tried out before it is trained.

    The random numbers of the process are left as they were.

    Args:
        build: the stem by its name with options, or what makes it when called.
        image_shape: channels, height and width of the images it is to be used with.

    Raises:
        InputError: names the first of these that the stem does not keep.

    >>> check_stem("neurn:k=5")
    >>> check_stem(lambda: nn.Conv2d(3, 3, 3, padding=1))
    Traceback (most recent call last):
    ...
    nasneurn.errors.InputError: stem Conv2d: has parameters (weight, bias); a stem has none
    """
    by_name = isinstance(build, str | Choice)
    name = repr(str(build)) if by_name else getattr(build, "__name__", type(build).__name__)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # that of the CPU alone
            stem = STEMS.create(build) if isinstance(build, str | Choice) else build()
            if not by_name:
                name = type(stem).__name__
            _check_module(stem)
            images = torch.rand(3, *image_shape)
            _check_answers(stem, images)
            _check_repeats(stem.eval(), images)
            if not getattr(stem, "mixes_images", False):
                _check_each_image_alone(stem, images)
            _check_copies(stem, images)
            _check_meta(stem, images)
    except _Broken as error:
        raise InputError(f"stem {name}: {error}") from error.__cause__
    except InputError:
        raise
    except Exception as error:  # a stem of one's own may raise anything
        raise InputError(f"stem {name}: fails with {kind_and_line(error)}") from error


class _Broken(Exception):
    """What a stem does not keep."""


def _check_module(stem: object) -> None:
    if not isinstance(stem, nn.Module):
        raise _Broken(f"is a {type(stem).__name__}; an nn.Module is needed")
    parameters = [name for name, _ in stem.named_parameters()]
    if parameters:
        raise _Broken(f"has parameters ({', '.join(parameters)}); a stem has none")
    state = list(stem.state_dict())
    if state:
        raise _Broken(
            f"has buffers in its state ({', '.join(state)}); register them with persistent=False"
        )


def _check_answers(stem: nn.Module, images: Tensor) -> None:
    """Shape, dtype, and finite values and gradients, for each kind of image."""
    kinds = {
        "ordinary": images,
        "single": images[:1],
        "blank": torch.full_like(images, 0.5),
        "black": torch.zeros_like(images),
        "faint": images * 1e-30,
    }
    for training in (True, False):
        stem.train(training)
        when = "in training" if training else "in evaluation"
        for kind, given in kinds.items():
            where = f"{kind} images {when}"
            x = given.clone().requires_grad_()
            try:
                y = stem(x)
            except InputError:
                raise
            except Exception as error:
                raise _Broken(f"fails for {where} with {kind_and_line(error)}") from error
            if not isinstance(y, Tensor):
                raise _Broken(f"gives a {type(y).__name__} for {where}; a tensor is needed")
            if y.shape != x.shape or y.dtype != x.dtype:
                raise _Broken(
                    f"gives {tuple(y.shape)} in {y.dtype} for {where} of {tuple(x.shape)} in "
                    f"{x.dtype}; both must be kept"
                )
            if not y.isfinite().all():
                raise _Broken(f"gives values that are not finite for {where}")
            if not torch.equal(x.detach(), given):
                raise _Broken(f"writes to the {where} that it is given")
            if y.requires_grad:
                (gradient,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
                if gradient is not None and not gradient.isfinite().all():
                    raise _Broken(f"gives gradients that are not finite for {where}")


@torch.no_grad()
def _check_repeats(stem: nn.Module, images: Tensor) -> None:
    if not torch.equal(stem(images.clone()), stem(images.clone())):
        raise _Broken("gives something else when it is called again in evaluation")


@torch.no_grad()
def _check_each_image_alone(stem: nn.Module, images: Tensor) -> None:
    answer = stem(images)
    among_others = torch.stack([images[0], 3 * images[1] + 2, torch.zeros_like(images[2])])
    for batch in (images[:1], among_others):
        off = (stem(batch)[0] - answer[0]).abs().max()
        if off > _TOLERANCE * answer[0].abs().max():
            raise _Broken(
                "answers otherwise for an image in another batch in evaluation; "
                "if that is meant, set its attribute mixes_images to True"
            )


@torch.no_grad()
def _check_copies(stem: nn.Module, images: Tensor) -> None:
    answer = stem(images)
    ways: dict[str, Callable[[], nn.Module]] = {
        "copied": lambda: copy.deepcopy(stem),
        "pickled": lambda: pickle.loads(pickle.dumps(stem)),
    }
    for way, make in ways.items():
        try:
            other = make()
        except Exception as error:
            raise _Broken(f"cannot be {way}: {kind_and_line(error)}") from error
        if not torch.equal(other(images), answer):
            raise _Broken(f"gives something else once {way}")


@torch.no_grad()
def _check_meta(stem: nn.Module, images: Tensor) -> None:
    try:
        answer = copy.deepcopy(stem).to("meta")(images.to("meta"))
    except Exception as error:
        raise _Broken(f"fails on the meta device with {kind_and_line(error)}") from error
    if answer.shape != images.shape or answer.device.type != "meta":
        raise _Broken(
            f"gives {tuple(answer.shape)} on {answer.device} for {tuple(images.shape)} on meta"
        )
