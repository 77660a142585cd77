"""Memory that a step frees stays with the process, for the next step.

Each step of a training frees hundreds of megabytes and takes as many again. glibc gives large
blocks back to the system, which clears each page anew when it is taken: a fifth of the time of a
small network's step, and more of a large batch's.
"""

import ctypes
import os
import sys
from functools import cache

#: Parameters of glibc's ``mallopt``, by their names in ``malloc.h``.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
#: Bytes that are kept at most beyond what is in use.
_KEPT = 2**30


@cache
def keep_freed_memory() -> bool:
    """Have this process keep what it frees, unless the user has set ``MALLOC_...`` or is elsewhere.

    It holds for the whole process, and until its end.

    Returns:
        Whether it does so now: on Linux, with glibc's allocator.
    """
    tuned = any(name.startswith("MALLOC_") for name in os.environ) or "GLIBC_TUNABLES" in os.environ
    if tuned or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _KEPT))
