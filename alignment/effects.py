"""What one call of PyTorch has done besides giving its result."""

from torch import Tensor


class Effects:
    """What the operators of one call have done.

    Attributes:
        flops: multiply-adds.
        written: tensors that were overwritten, some of them only inside of the call.
        viewed: whether some result may share memory with an argument.
        read: all tensors that operators were given; None if nobody asks for them.
    """

    __slots__ = ("flops", "read", "viewed", "written")

    def __init__(self, reads: bool = False) -> None:
        self.flops = 0
        self.read: list[Tensor] | None = [] if reads else None
        self.written: list[Tensor] = []
        self.viewed = False
