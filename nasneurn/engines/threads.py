"""How many threads each of several workers gets."""

from alignment.cores import THREAD_VARIABLES, available_cores

__all__ = ["THREAD_VARIABLES", "available_cores", "threads_each"]


def threads_each(workers: int) -> int:
    """Threads that one of several workers may use."""
    return max(1, available_cores() // workers)
