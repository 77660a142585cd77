"""How far several answers to one image are apart."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def jensen_shannon(logits: Sequence[Tensor]) -> Tensor:
    """The Jensen-Shannon divergence of several answers (N, classes), in nats: a mean over images.

    With p_i = softmax(logits_i) and M their mean, it is the mean over i of KL(p_i || M). M is kept
    above 1e-7, as in the code of AugMix and of RandConv. Gradients are finite also where a share
    is too small for its precision.

    >>> jensen_shannon([torch.tensor([[50.0, 0.0]]), torch.tensor([[0.0, 50.0]])])  # log 2
    tensor(0.6931)
    """
    logs = [F.log_softmax(one, dim=1) for one in logits]  # of shares that are 0 there is no log
    shares = [one.exp() for one in logs]
    mixture = (sum(shares[1:], shares[0]) / len(shares)).clamp(1e-7, 1).log()
    each = [F.kl_div(mixture, one, reduction="batchmean", log_target=True) for one in logs]
    return torch.stack(each).mean()
