"""What a step frees stays with the process: pages are not cleared again for the next."""

import os
import subprocess
import sys

import pytest

#: Fills 64 MB ten times, and says how many pages were new but for the first time.
STEPS = """
import resource
from nasneurn.freed_memory import keep_freed_memory
kept, size = {call}, 64_000_000
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * size
before = pages()
for _ in range(10):
    b"x" * size
print(kept, pages() - before)
"""


def told(call: str, **variables: str) -> tuple[str, int]:
    """Whether it says that memory is kept, and the new pages."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))
    }
    done = subprocess.run(
        [sys.executable, "-c", STEPS.format(call=call)],
        check=True, capture_output=True, text=True, env={**clean, **variables},
    )  # fmt: skip
    kept, pages = done.stdout.split()
    return kept, int(pages)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc, on Linux")
def test_pages_are_taken_once() -> None:
    kept, pages = told("keep_freed_memory()")
    assert kept == "True"
    assert pages < 100
    # Ten times 64 MB are 156,000 pages of 4 KB, or fewer where the kernel gives larger ones.
    assert told("None") > ("None", 250)


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stays(name: str) -> None:
    value = "1" if name.startswith("MALLOC_") else "glibc.malloc.arena_max=1"
    assert told("keep_freed_memory()", **{name: value})[0] == "False"
