"""What every algorithm must keep, checked before it is trained with: :func:`check_algorithm`."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms import ALGORITHMS, Algorithm
from nasneurn.choices import Choice
from nasneurn.errors import InputError

__all__ = ["check_algorithm"]


def check_algorithm(name: str | Choice, classes: int = 10, image_size: int = 32) -> None:
    """Refuse an algorithm that does not keep what the trainings rely on.

    Its loss of a batch

    - is a finite scalar with finite gradients that reach the network's weights, also for a batch
      of two images, and of two of one class;
    - is a function of PyTorch's seed and the batch: asked again, and of another object of the same
      options, it is the same, so that a training that is continued ends as if never interrupted;
    - leaves images, labels and the network's weights, gradients and mode as they are: the step is
      the training's.

    The random numbers of the process are left as they were.

    Args:
        name: the algorithm by its name with options, or ``package.module:Name``.
        classes: outputs of the network.
        image_size: side of the images.

    Raises:
        InputError: names the first of these that the algorithm does not keep.

    >>> check_algorithm("erm")
    """
    name = str(name)
    try:
        with torch.random.fork_rng(devices=[]):
            _seed()
            network = nn.Sequential(
                nn.Conv2d(3, 4, 3, stride=4, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(4, classes),
            )
            images = torch.rand(8, 3, image_size, image_size)
            images = images.to(memory_format=torch.channels_last)  # as the training's are
            labels = torch.arange(8) % classes
            algorithm = _made(name)
            for count in (8, 2):
                _check_batch(algorithm, network, images[:count], labels[:count])
            _check_batch(algorithm, network, images[:2], labels[:1].repeat(2))
            _check_seed(name, algorithm, network, images, labels)
    except _Broken as error:
        raise InputError(f"algorithm {name!r}: {error}") from error.__cause__
    except InputError:
        raise
    except Exception as error:  # an algorithm of one's own may raise anything
        told = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
        raise InputError(f"algorithm {name!r}: fails with {told}") from error


class _Broken(Exception):
    """What an algorithm does not keep."""


def _seed() -> None:
    torch.default_generator.manual_seed(0)  # that of the CPU alone


def _made(name: str) -> Algorithm:
    _seed()
    algorithm = ALGORITHMS.create(name)
    if not callable(getattr(algorithm, "loss", None)):
        raise _Broken(
            f"is a {type(algorithm).__name__} without the method "
            "loss(network, images, labels, criterion)"
        )
    return algorithm


def _loss(algorithm: Algorithm, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    _seed()
    return algorithm.loss(network, images, labels, F.cross_entropy)


def _check_batch(algorithm: Algorithm, network: nn.Module, images: Tensor, labels: Tensor) -> None:
    own, given, asked = copy.deepcopy(network), images.clone(), labels.clone()
    where = f"a batch of {len(images)}"
    # What it returns is the user's to get wrong.
    loss: object = _loss(algorithm, own, given, asked)
    if not isinstance(loss, Tensor) or loss.shape != ():
        what = f"{tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise _Broken(f"its loss of {where} is {what}, must be a scalar tensor")
    if not torch.isfinite(loss):
        raise _Broken(f"its loss of {where} is {loss.item()}, must be finite")
    if not torch.equal(given, images) or not torch.equal(asked, labels):
        raise _Broken("its loss writes to the images or labels that it is given")
    weights = dict(network.named_parameters())
    if not all(torch.equal(weight, weights[name]) for name, weight in own.named_parameters()):
        raise _Broken("its loss changes the network's weights; the step is the training's")
    if any(weight.grad is not None for weight in own.parameters()):
        raise _Broken("its loss calls backward; the step is the training's")
    if not all(module.training for module in own.modules()):
        raise _Broken("its loss leaves the network in evaluation mode")
    if loss.requires_grad:
        loss.backward()
    gradients = [weight.grad for weight in own.parameters() if weight.grad is not None]
    if not any(bool(gradient.any()) for gradient in gradients):
        raise _Broken(f"its loss of {where} gives no gradient to the network's weights")
    if not all(bool(gradient.isfinite().all()) for gradient in gradients):
        raise _Broken(f"its loss of {where} gives gradients that are not finite")


def _check_seed(
    name: str, algorithm: Algorithm, network: nn.Module, images: Tensor, labels: Tensor
) -> None:
    first = _loss(algorithm, network, images, labels)
    again = _loss(algorithm, network, images, labels)
    fresh = _loss(_made(name), network, images, labels)
    if not torch.equal(first, again) or not torch.equal(first, fresh):
        raise _Broken(
            "its loss is not the same for the same seed and batch; it draws from PyTorch's "
            "generator alone, and keeps nothing from the batches before"
        )
