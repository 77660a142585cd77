"""What one call of PyTorch has done besides giving its result."""

from torch import Tensor


class Effects:
    """What the operators of one call have done.

    Attributes:
        flops: multiply-adds.
        written: tensors that were overwritten, some of them only inside of the call.
        viewed: whether some result may share memory with an argument.
    """

    __slots__ = ("flops", "viewed", "written")

    def __init__(self) -> None:
        self.flops = 0
        self.written: list[Tensor] = []
        self.viewed = False
