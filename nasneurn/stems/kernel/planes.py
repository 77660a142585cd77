"""One plane, which is one channel of one image, made ready for its windows."""

from typing import Any

import numpy as np

from nasneurn.stems.kernel.compiling import SUM, Array, loops


@loops(fastmath=SUM)
def anchor_of(plane: Array) -> Any:
    """Mean of a plane. Sigma does not change with a shift; its rounding does."""
    total = np.float32(0)
    for i in range(plane.size):
        total += plane[i]
    mean = total / np.float32(plane.size)
    return mean if np.isfinite(mean) else np.float32(0)


@loops()
def pad(
    x: Array, rows: Array, columns: Array, padded: Array, anchor: Any, r: int, width: int
) -> None:  # fmt: skip
    """Copy rows of a plane with their border, less the anchor; an index below 0 means a zero."""
    count, stride = rows.size, width + 2 * r
    image = x.reshape(x.size // width, width)
    whole = padded[: count * stride].reshape(count, stride)
    inner = padded[r : r + count * stride].reshape(count, stride)
    for i in range(count):
        y = rows[i]
        if y < 0:
            for j in range(width):
                inner[i, j] = -anchor
        else:
            for j in range(width):
                inner[i, j] = image[y, j] - anchor
    for j in range(r):
        left, right = columns[j], columns[r + width + j]
        for i in range(count):
            whole[i, j] = inner[i, left] if left >= 0 else -anchor
            whole[i, r + width + j] = inner[i, right] if right >= 0 else -anchor
