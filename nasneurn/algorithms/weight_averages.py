"""Averages of the weights along the training, which are measured in place of the last ones."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from nasneurn.algorithms.erm import ERM
from nasneurn.algorithms.interface import Task
from nasneurn.stems.stem_checks import check_number


class _Averaging(ERM):
    """Empirical risk minimization whose measured weights are an average.

    Batch-norm statistics are those of the last weights.
    """

    def prepare(self, network: nn.Module, task: Task) -> nn.Module:
        """Make room for the average."""
        self._task = task
        self._own = AveragedModel(network, multi_avg_fn=self.take_in).requires_grad_(False)
        return self._own

    def share(self, count: Tensor) -> Tensor:
        """The weight of the next in the average, in which ``count`` are."""
        raise NotImplementedError

    def take_in(
        self, averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int
    ) -> None:
        """Move the averages towards the weights."""
        share = self.share(torch.as_tensor(count))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, share.to(average))

    def measured(self, network: nn.Module) -> nn.Module:
        """The average, once there is one."""
        averaged: nn.Module = self._own.module
        return averaged if int(self._own.n_averaged) else network


class EMA(_Averaging):
    """The exponential moving average of the weights is measured.

    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; in the form
    of Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017, arXiv
    1703.01780, section 3: after step t, a w' + (1 - a) w with a = min(1 - 1 / t, ``decay``),
    so that the first weights do not stay in it.

    Args:
        decay: the nearer to 1, the longer the average.
    """

    def __init__(self, decay: float = 0.999) -> None:
        check_number("decay", decay, lambda x: 0 < x < 1, "above 0 and below 1")
        self.decay = decay

    def share(self, count: Tensor) -> Tensor:
        """That of a plain mean at first, then 1 - ``decay``."""
        return (1 / (count + 1)).clamp_min(1 - self.decay)

    def after_step(self, network: nn.Module, step: int) -> None:
        """Take the weights in."""
        self._own.update_parameters(network)


class SWA(_Averaging):
    """The plain mean of the weights after every step of the last part of the training is measured.

    Cha, Chun, Lee, Cho, Park, Lee and Park, "SWAD: Domain Generalization by Seeking Flat Minima",
    NeurIPS 2021, arXiv 2102.08604, section 3.2: averaged densely, after every step. This is its
    plain form: the part is given, and not found from held-out losses.

    Args:
        start: the share of the training after which averaging begins.
    """

    def __init__(self, start: float = 0.25) -> None:
        check_number("start", start, lambda x: 0 <= x < 1, "0 or more and below 1")
        self.start = start

    def share(self, count: Tensor) -> Tensor:
        """That of a plain mean."""
        return 1 / (count + 1)

    def after_step(self, network: nn.Module, step: int) -> None:
        """Take the weights in, from the start on."""
        if step > self.start * self._task.steps:
            self._own.update_parameters(network)
