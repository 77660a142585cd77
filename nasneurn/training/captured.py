"""The steps of a training on a GPU as one CUDA graph.

A step of a small network is hundreds of kernels, and launching them takes several times as long as
they run. A graph is launched as one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

#: Steps that are taken one operation after the other before one is captured: with these the
#: libraries make ready, and the optimizer its averages.
WARM_UP = 3

Loss = Callable[[Tensor, Tensor], Tensor]


class CannotCapture(Exception):
    """A step does what no graph can hold, as to wait for the device."""


class CapturedStep:
    """Loss, gradients and the optimizer's step on batches of one shape, captured once.

    What is random in a step follows the generator of the GPU, which is seeded before the step as
    ever. Learning rates may change from step to step.

    Args:
        loss: of images and labels; all that a step computes must come from these, from weights,
            and from the GPU's generator.
        optimizer: whose weights, all on the GPU, take the step.
    """

    def __init__(self, loss: Loss, optimizer: torch.optim.Optimizer) -> None:
        self._loss = loss
        self._optimizer = optimizer
        self._taken = 0
        self._replay: Callable[[], None] | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Take a step on a batch.

        Returns:
            Its loss, without gradients.

        Raises:
            CannotCapture: the step cannot be captured; the state of the GPU's generator is lost.
        """
        if self._taken == 0:
            self._images, self._labels = images.clone(), labels.clone()
            self._rates = [torch.zeros((), device=images.device) for _ in self._groups]
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._taken += 1
        if self._taken <= WARM_UP:
            self._in_own_stream(self._step)
        else:
            for rate, group in zip(self._rates, self._groups, strict=True):
                rate.fill_(group["lr"])
            if self._replay is None:
                self._replay = self._captured()
            self._replay()
        return self._last.clone()

    @cached_property
    def _stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream()

    @property
    def _groups(self) -> list[dict[str, Any]]:
        return self._optimizer.param_groups

    def _step(self) -> None:
        self._optimizer.zero_grad()
        loss = self._loss(self._images, self._labels)
        with torch.autocast(self._images.device.type, enabled=False):
            loss.backward()
            self._optimizer.step()
        self._last = loss.detach()

    def _in_own_stream(self, step: Callable[[], None]) -> None:
        """Gradients remember the stream in which they were first made: that of the capture."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            step()
        torch.cuda.current_stream().wait_stream(self._stream)

    def _captured(self) -> Callable[[], None]:
        """The step as a graph; capturing takes no step."""
        graph = torch.cuda.CUDAGraph()
        try:
            with (
                self._rates_on_the_device(),
                torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"),
            ):
                self._step()
        except RuntimeError as error:
            raise CannotCapture(str(error).partition("\n")[0]) from error
        return graph.replay

    @contextmanager
    def _rates_on_the_device(self) -> Iterator[None]:
        """A captured number stays as it was; what lies on the device is read at every replay."""
        kept = [(group["lr"], group["capturable"]) for group in self._groups]
        for group, rate in zip(self._groups, self._rates, strict=True):
            group.update(lr=rate, capturable=True)
        try:
            yield
        finally:
            for group, (rate, capturable) in zip(self._groups, kept, strict=True):
                group.update(lr=rate, capturable=capturable)
