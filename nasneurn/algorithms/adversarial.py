"""Adversarial data augmentation: images of fictitious targets join those of the source."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms.interface import Criterion, Task
from nasneurn.algorithms.watching import evaluating, last_linear, logits_and_features
from nasneurn.stems.stem_checks import check_number

#: The authors ascend on the mean of batches of so many images: an image's step is a share of that.
AUTHORS_BATCH = 32
#: Images that are made together.
TOGETHER = 128


class ADA:
    """From time to time images are made on which the network is wrong, and it learns them too.

    Volpi, Namkoong, Sener, Duchi, Murino and Savarese, "Generalizing to Unseen Domains via
    Adversarial Data Augmentation", NeurIPS 2018, arXiv 1805.12018, section 2, algorithm 1. After
    ``every`` steps, ``phases`` times, as many images as the source has are drawn from it and from
    those made before. Each goes up on

        loss(x) - gamma d(x, x0) + entropy H(x)

    by ``ascent`` steps of the rate ``rate``: d is the squared distance of its features from those
    of the image x0 that it began as (a mean over features, which are what the last linear layer
    makes its answer of), H the entropy of the answer, which ADA does not have. The results, clipped
    to [0, 1] and kept in half precision, join the images that batches are drawn from: an image of a
    batch gives place to one of them as often as they are among all.

    Args:
        phases: how often images are made, K in the paper.
        every: steps before each, T_min.
        ascent: steps of the ascent, T_max.
        rate: of its steps, for a mean over 32 images.
        gamma: weight of the distance; 1 on digits.
        entropy: weight of the entropy.
    """

    def __init__(
        self,
        phases: int = 3,
        every: int = 100,
        ascent: int = 15,
        rate: float = 1.0,
        gamma: float = 1.0,
        entropy: float = 0.0,
    ) -> None:
        counts = {"phases": phases, "every": every, "ascent": ascent}
        for name, value in counts.items():
            check_number(name, value, lambda x: x >= 1 and x == int(x), "a whole number from 1 up")
        check_number("rate", rate, lambda x: x > 0, "above 0")
        check_number("gamma", gamma, lambda x: x >= 0, "0 or more")
        check_number("entropy", entropy, lambda x: x >= 0, "0 or more")
        self.phases, self.every, self.ascent = int(phases), int(every), int(ascent)
        self.rate = rate
        self.gamma = gamma
        self.entropy = entropy

    def prepare(self, network: nn.Module, task: Task) -> nn.Module:
        """Find the features, and make room for the images."""
        self._data = task.data
        images = task.data.pixels(np.arange(2))
        self._head = last_linear(network, images, task.classes)
        self._own = Made(images, task.data.labels)
        return self._own

    def before_step(self, network: nn.Module, step: int) -> None:
        """Make images where a phase begins."""
        phase, left = divmod(step, self.every)
        if left or not 1 <= phase <= self.phases:
            return
        sources = len(self._data)
        drawn = torch.randint(sources + len(self._own), (sources,))
        with evaluating(network):
            made = [self._made(network, rows) for rows in drawn.split(TOGETHER)]
        self._own.add(torch.cat([one for one, _ in made]), torch.cat([one for _, one in made]))

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        made = len(self._own)
        if made:
            replaced = torch.rand(len(images)) < made / (made + len(self._data))
            which = torch.randint(made, (len(images),))[replaced]
            images, labels = images.clone(), labels.clone()
            place = replaced.to(images.device)
            images[place], labels[place] = self._own.chosen(which)
        return criterion(network(images), labels)

    def _made(self, network: nn.Module, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """What some images become, with their labels; a number past the data is of one made."""
        old = drawn[drawn >= len(self._data)] - len(self._data)
        rows = drawn[drawn < len(self._data)]
        images, labels = self._own.chosen(old)
        pixels = self._data.pixels(rows.numpy())
        images = torch.cat([pixels, images])
        labels = torch.cat([self._data.labels[rows.to(labels.device)], labels])
        return self.ascended(network, images, labels), labels

    def ascended(self, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Images (N, C, H, W) after the ascent."""
        with torch.no_grad():
            _, begun = logits_and_features(network, self._head, images)
        for _ in range(self.ascent):
            images = images.detach().requires_grad_()
            logits, features = logits_and_features(network, self._head, images)
            aim = F.cross_entropy(logits, labels, reduction="sum")
            aim = aim - self.gamma * (features - begun).square().mean(1).sum()
            if self.entropy:
                aim = aim + self.entropy * entropy(logits).sum()
            (slope,) = torch.autograd.grad(aim, images)
            images = images + self.rate / AUTHORS_BATCH * slope
        return images.detach().clamp(0, 1)


class MEADA(ADA):
    """ADA with the entropy of the answer among what the images go up on.

    Zhao, Liu, Peng and Metaxas, "Maximum-Entropy Adversarial Data Augmentation for Improved
    Generalization and Robustness", NeurIPS 2020, arXiv 2010.08001, section 3. Its weight is that of
    the authors' run on digits.

    Args:
        phases: see :class:`ADA`.
        every: see :class:`ADA`.
        ascent: see :class:`ADA`.
        rate: see :class:`ADA`.
        gamma: see :class:`ADA`.
        entropy: weight of the entropy, eta in the paper.
    """

    def __init__(
        self,
        phases: int = 3,
        every: int = 100,
        ascent: int = 15,
        rate: float = 1.0,
        gamma: float = 1.0,
        entropy: float = 10.0,
    ) -> None:
        super().__init__(phases, every, ascent, rate, gamma, entropy)


def entropy(logits: Tensor) -> Tensor:
    """Of each answer (N, classes), in nats: (N,)."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


class Made(nn.Module):
    """The images that were made, with their labels: their number grows, and so does the state."""

    def __init__(self, like: Tensor, labels: Tensor) -> None:
        super().__init__()
        self._like = like[:0]
        self._images = like[:0].half()
        self._labels = labels[:0]

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, images: Tensor, labels: Tensor) -> None:
        """Take more in."""
        self._images = torch.cat([self._images, images.half()])
        self._labels = torch.cat([self._labels, labels])

    def chosen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Some of them as floats, and their labels."""
        rows = rows.to(self._labels.device)
        return self._images[rows].to(self._like.dtype), self._labels[rows]

    def get_extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"images": self._images, "labels": self._labels}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._images = state["images"].to(self._images)
        self._labels = state["labels"].to(self._labels)
