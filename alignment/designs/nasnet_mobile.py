"""NASNet-A mobile (4 @ 1056): the small network of cells that a search has found.

Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, CVPR 2018 (arXiv
1707.07012), section 3 and figures 2 and 4. The cells are timm's, which has the large network alone:
six normal cells a stage and 4032 channels, where this one has four and 1056. They also differ in
what the cell after a reduction sees beside it: here the cell before the reduction, in the large
network the cell before that one (``skip_reduction`` in Keras).
"""

from timm.models.nasnet import (
    CellStem0,
    CellStem1,
    FirstCell,
    NormalCell,
    ReductionCell0,
    ReductionCell1,
)
from torch import Tensor, nn

STEM = 32
FEATURES = 1056
NORMAL_CELLS = 4


class NASNetMobile(nn.Module):
    """Each cell sees what the two cells before it give."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        # A normal cell gives six times its channels, a reduction cell four times.
        base = FEATURES // 24
        first = nn.Conv2d(3, STEM, 3, stride=2, bias=False)
        self.conv0 = nn.Sequential(first, nn.BatchNorm2d(STEM, eps=1e-3))
        self.stem0 = CellStem0(STEM, num_channels=base // 4, pad_type="same")
        self.stem1 = CellStem1(STEM, num_channels=base // 2, pad_type="same")
        cells: list[nn.Module] = []
        # Channels of what the last cell but one and the last cell give.
        before, entering = base, 2 * base
        for stage, reduction in enumerate((None, ReductionCell0, ReductionCell1)):
            width = base * 2**stage
            if reduction is not None:
                cells.append(reduction(entering, width, entering, width, "same"))
                before, entering = entering, 4 * width
            cells.append(FirstCell(before, width // 2, entering, width, "same"))
            for _ in range(NORMAL_CELLS - 1):
                before, entering = entering, 6 * width
                cells.append(NormalCell(before, width, entering, width, "same"))
            before, entering = 6 * width, 6 * width
        self.cells = nn.ModuleList(cells)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, classes)."""
        x = self.conv0(x)
        before = self.stem0(x)
        x = self.stem1(x, before)
        for cell in self.cells:
            x, before = cell(x, before), x
        out: Tensor = self.linear(self.pool(self.relu(x)).flatten(1))
        return out


def nasnet_mobile(classes: int = 1000) -> nn.Module:
    """NASNet-A mobile for images of 224 pixels: (N, 3, 224, 224) to (N, classes).

    5,289,978 parameters with 1000 classes. Keras counts 5,326,716 for the same network, since it
    also counts the 36,738 running means and variances of the batch norms.
    """
    return NASNetMobile(classes)
