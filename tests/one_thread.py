"""Studies in this process as in one of one thread, bit by bit."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nasneurn.studies import inputs


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, and with no numbers that were computed with more.

    What a killed process left is gone on from here: another process would first import for seconds
    what this one has.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    inputs._measured_statistics.cache_clear()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
