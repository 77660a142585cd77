"""The few things that NNI 3.0 lacks or does wrongly, each mended through its own extension points.

This is the only file that knows NNI's insides. What spaces have in common is in
:mod:`search_spaces.interface`.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self

import pytorch_lightning as pl
from nni.nas.evaluator.pytorch import LightningModule as NNILightningModule
from nni.nas.experiment import NasExperiment
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.nn.pytorch.base import MutableModule
from nni.nas.oneshot.pytorch.sampling import RandomSamplingLightningModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.operation import MixedConv2d, MixedLinear
from nni.nas.strategy import RandomOneShot
from torch import nn

__all__ = [
    "BaseSuperNetModule",
    "LocalExperiment",
    "NNILightningModule",
    "SeededPathSampling",
    "SeededRandomOneShot",
    "frozen",
    "take_path",
]


def take_path(supernet: nn.Module, path: Mapping[str, Any]) -> None:
    """Make ``path``, which has a value of every choice, what a supernet's forward takes.

    NNI's modules draw at random what ``path`` lacks.
    """
    for module in supernet.modules():
        if isinstance(module, BaseSuperNetModule):
            module.resample(memo=dict(path))


def frozen(space: MutableModule, architecture: dict[str, Any]) -> nn.Module:
    """What ``space.freeze`` gives, in a fraction of its time; it may share weights with the space.

    NNI copies a whole supernet, once for each level of its modules, and throws most of it away.
    Here what is copied has the chosen ones in the place of the choices from the start.
    """
    if type(space).freeze is not MutableModule.freeze or space.mutables:
        network: nn.Module = space.freeze(architecture)  # a way of its own
        return network
    chosen = {id(each): frozen(each, architecture) for each in space.mutable_descendants()}
    copied: nn.Module = copy.deepcopy(space, chosen)
    return copied


class SeededPathSampling(RandomSamplingLightningModule):
    """NNI's path sampling, with the path a function of the number of the batch.

    So a resumed run takes the paths that it would have taken, and all ranks of a distributed
    run take the same one. NNI's own draws anew from an unseeded generator.

    The hooks below are those of Lightning that NNI's wrapper does not pass on to the module that
    it wraps.
    """

    def __init__(
        self, training_module: pl.LightningModule, path_of: Callable[[int], dict[str, Any]]
    ) -> None:
        super().__init__(training_module)
        self._path_of = path_of
        self._batch = 0

    def resample(self) -> dict[str, Any]:
        """Activate the path of this batch."""
        path = self._path_of(self._batch)
        for module in self._choices():
            module.resample(memo=dict(path))
        return path

    def _choices(self) -> list[BaseSuperNetModule]:
        # Walking all modules takes longer than drawing the path; they stay the same in training.
        if not hasattr(self, "_choice_modules"):
            found = [m for m in self.model.modules() if isinstance(m, BaseSuperNetModule)]
            object.__setattr__(self, "_choice_modules", found)
        return self._choice_modules  # type: ignore[no-any-return]

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """One step on one path; with gradients accumulated, each batch has a path of its own."""
        self._batch = batch_idx
        self.resample()
        return self.training_module.training_step(batch, batch_idx)

    def cpu(self) -> Self:
        """Stay on the device of the training.

        Lightning's teardown calls this on a GPU, to free its memory. It would take the supernet
        along, and whoever trained it goes on with it there.
        """
        return self

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Pass the hook on."""
        self.training_module.optimizer_step(*args, **kwargs)

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Pass the hook on."""
        self.training_module.configure_gradient_clipping(*args, **kwargs)

    def on_validation_epoch_end(self) -> None:
        """Pass the hook on."""
        self.training_module.on_validation_epoch_end()


class _WithoutNone:
    """Mends ``freeze`` of NNI's mixed layers, which fails where a layer has no bias."""

    def freeze_weight(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The weights of a frozen one, without entries that are None."""
        weights = super().freeze_weight(*args, **kwargs)  # type: ignore[misc]
        return {name: weight for name, weight in weights.items() if weight is not None}


class BiasFreeConv2d(_WithoutNone, MixedConv2d):
    """NNI's mixed convolution, that may have no bias."""


class BiasFreeLinear(_WithoutNone, MixedLinear):
    """NNI's mixed linear layer, that may have no bias."""


class SeededRandomOneShot(RandomOneShot):
    """NNI's ``RandomOneShot`` (path sampling) with :class:`SeededPathSampling`.

    ``path_of`` gives the path of each batch; without it the strategy only makes supernets.
    """

    def __init__(self, path_of: Callable[[int], dict[str, Any]] | None = None) -> None:
        super().__init__(mutation_hooks=[BiasFreeConv2d.mutate, BiasFreeLinear.mutate])
        self._path_of = path_of

    def configure_oneshot_module(self, training_module: pl.LightningModule) -> SeededPathSampling:
        """Wrap the training module."""
        assert self._path_of is not None
        return SeededPathSampling(training_module, self._path_of)

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        """Make the space a supernet, in place, with the space's own initialization.

        NNI builds mutable layers anew, and so with PyTorch's default weights.
        """
        supernet = super().mutate_model(model)
        if hasattr(supernet, "initialize"):
            supernet.initialize()
        return supernet


class LocalExperiment(NasExperiment):
    """An NNI experiment that writes into its own folder only.

    NNI also lists every experiment in a file in the home folder, for its web interface; a
    one-shot experiment runs in this process and has none.
    """

    def _start_without_nni_manager(self) -> None:
        pass

    def _stop_without_nni_manager(self) -> None:
        pass
