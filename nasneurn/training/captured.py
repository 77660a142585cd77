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
from torch.utils._python_dispatch import TorchDispatchMode

#: Steps that are taken one operation after the other before one is captured: with these the
#: libraries make ready, and the optimizer its averages.
WARM_UP = 3

Loss = Callable[[Tensor, Tensor], Tensor]

#: What operations are marked with whose answers, or their shapes, the CPU has to wait for.
_WAITING = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class CannotCapture(Exception):
    """A step does what no graph can hold, and it was not seen before."""


class _Watch(TorchDispatchMode):
    """Notes whether the CPU waits for the device, or sends it something, in what is computed."""

    waits = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        answer = func(*args, **(kwargs or {}))
        self.waits |= _waits(func, args, answer)
        return answer


def _waits(func: Any, args: tuple[Any, ...], answer: Any) -> bool:
    if func.overloadpacket is torch.ops.aten.index:  # only masks are as many as they are
        return any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])
    if _WAITING & set(func.tags):
        return True
    devices = {one.device.type for one in (*args, answer) if isinstance(one, Tensor) and one.ndim}
    return len(devices) > 1


class CapturedStep:
    """Loss, gradients and the optimizer's step on batches of one shape, captured once.

    A network that waits for the device, as one that branches by a value, cannot be captured.
    That is seen in its first step, and its steps are then taken as ever. What is random in a step
    follows the generator of the GPU, which is seeded before the step. Learning rates may change
    from step to step.

    Args:
        loss: of images and labels; all that a step computes must come from these, from weights,
            and from the GPU's generator.
        optimizer: whose weights, all on the GPU, take the step.
    """

    def __init__(self, loss: Loss, optimizer: torch.optim.Optimizer) -> None:
        self._loss = loss
        self._optimizer = optimizer
        self._taken = 0
        self._waits = False
        self._replay: Callable[[], None] | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Take a step on a batch.

        Returns:
            Its loss, without gradients.

        Raises:
            CannotCapture: the step cannot be captured.
        """
        if self._taken == 0:
            self._images, self._labels = images.clone(), labels.clone()
            self._rates = [torch.zeros((), device=images.device) for _ in self._groups]
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._taken += 1
        if self._taken == 1:
            self._in_own_stream(self._first)
        elif self._taken <= WARM_UP or self._waits:
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

    def _first(self) -> None:
        with _Watch() as watch:
            loss = self._loss(self._images, self._labels)
        self._waits = watch.waits
        self._learn(loss)

    def _step(self) -> None:
        self._learn(self._loss(self._images, self._labels))

    def _learn(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
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
            # The generator would go on to count as it does inside of a graph.
            generator = torch.cuda.default_generators[self._images.device.index]
            generator.graphsafe_set_state(generator.clone_state())
            raise CannotCapture(str(error).partition("\n")[0]) from error
        return graph.replay

    @contextmanager
    def _rates_on_the_device(self) -> Iterator[None]:
        """A captured number stays as it was; what lies on the device is read at every replay."""
        kept = [dict(group) for group in self._groups]
        for group, rate in zip(self._groups, self._rates, strict=True):
            group["lr"] = rate
            if "capturable" in group:  # SGD counts no steps
                group["capturable"] = True
        try:
            yield
        finally:
            for group, before in zip(self._groups, kept, strict=True):
                group.update(before)
