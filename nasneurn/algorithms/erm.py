"""Empirical risk minimization: the plain way, and the control of all others."""

from collections.abc import Callable

from torch import Tensor, nn


class ERM:
    """The mean loss of the labelled source images (Vapnik, "Statistical Learning Theory", 1998).

    >>> import torch
    >>> network, images, labels = torch.nn.Flatten(), torch.eye(2), torch.tensor([0, 1])
    >>> ERM().loss(network, images, labels, torch.nn.functional.cross_entropy)
    tensor(0.3133)
    """

    #: See :class:`nasneurn.algorithms.interface.Hooks`.
    capturable = True

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        return criterion(network(images), labels)
