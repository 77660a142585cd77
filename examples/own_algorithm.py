"""An algorithm of your own: mixup, which trains on mixtures of two images.

Run a study with it, from the folder of this file::

    nasneurn bench --algorithms erm,own_algorithm:Mixup

or with an option::

    nasneurn bench --algorithms erm,own_algorithm:Mixup:alpha=0.4

An algorithm is a class with a method ``loss``, which gives the loss of one batch; the training
takes the step. The arguments of its constructor are its options. What it draws comes from
PyTorch's generator, which is seeded before each batch: so a training that is continued draws what
it would have drawn. ``python own_algorithm.py`` checks that it keeps this.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.distributions import Beta

from nasneurn.algorithms.conformance import check_algorithm


class Mixup:
    """Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412.

    Each image x is mixed with another one x' of the batch: the network sees s x + (1 - s) x', and
    its loss is s times that for the label of x plus 1 - s times that for the label of x'. The share
    s is drawn from Beta(alpha, alpha), once for a batch.

    Args:
        alpha: the smaller, the nearer are shares to 0 or 1, which mix nothing.
    """

    def __init__(self, alpha: float = 0.2) -> None:
        if alpha <= 0:
            raise ValueError(f"alpha is {alpha}, must be above 0")
        self.alpha = alpha

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """The loss of one batch, a scalar.

        Args:
            network: images (N, 3, H, W) -> logits (N, classes), the stem included.
            images: float32 (N, 3, H, W) in [0, 1].
            labels: int64 (N,).
            criterion: (logits, labels) -> the mean cross-entropy.
        """
        share = float(Beta(self.alpha, self.alpha).sample())
        # The batch comes in a random order: the neighbour is as good as any other image.
        logits = network(share * images + (1 - share) * images.roll(1, 0))
        return share * criterion(logits, labels) + (1 - share) * criterion(logits, labels.roll(1))


if __name__ == "__main__":
    check_algorithm("own_algorithm:Mixup:alpha=0.4")
    print("Mixup can be trained with")
