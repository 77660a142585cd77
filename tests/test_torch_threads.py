"""Work on torch's threads, and on Python's where torch has none that can be used."""

import sys
import threading
import time

import pytest
import torch

from nasneurn.stems import torch_threads
from nasneurn.stems.torch_threads import share

OPENMP = "ATen parallel backend: OpenMP" in torch.__config__.parallel_info()


@pytest.mark.skipif(sys.platform != "linux" or not OPENMP, reason="this torch has other threads")
def test_torchs_threads_are_found():
    assert torch_threads._openmp() is not None


@pytest.fixture(params=["torch", "python"])
def _whose(request, monkeypatch):
    if request.param == "python":
        monkeypatch.setattr(torch_threads, "_openmp", lambda: None)


@pytest.mark.usefixtures("_whose")
@pytest.mark.parametrize("units", [0, 1, 7, 100])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_unit_is_done_once(units, threads):
    done = []
    share(lambda first, last: done.extend(range(first, last)), units, threads)
    assert sorted(done) == list(range(units))


@pytest.mark.usefixtures("_whose")
def test_parts_run_at_the_same_time():
    # Each part waits for the other: one after the other would wait until the barrier breaks.
    barrier = threading.Barrier(2, timeout=20)
    share(lambda first, last: barrier.wait() and None, 2, 2)
    assert not barrier.broken


@pytest.mark.usefixtures("_whose")
def test_a_failure_is_raised_when_all_parts_have_ended():
    ended = []

    def work(first, last):
        if first == 0:
            raise ValueError("the first part")
        time.sleep(0.05)
        ended.append(first)

    with pytest.raises(ValueError, match="the first part"):
        share(work, 3, 3)
    assert sorted(ended) == [1, 2]
