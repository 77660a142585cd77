"""What all tests share: a cache of their own, and the real digit files where they are."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch is imported: the cores are shared out among the workers, and threads wait in turn.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))
import nasneurn  # noqa: E402, F401

#: What a folder of real data must hold for the tests marked ``real_data``.
REAL_FILES = [
    f"{domain}_{split}.npz"
    for domain in ("mnist", "mnistm", "svhn", "usps")
    for split in ("train", "test")
]


#: The files that take longest, the longest first: they begin first, so that no worker is left alone
#: with one in the end.
LONGEST = ("test_search", "test_bench", "test_distributed", "test_engines", "test_public_api")

#: Fixtures of a module that take long: a study, a search, all architectures, a site. Tests that
#: need one are slow, however quick they are themselves.
LONG_FIXTURES = {
    "test_ablate": {"finished"},
    "test_advise": {"study", "predicted"},
    "test_alignment_fidelity": {"architectures", "fidelity"},
    "test_alignment_zoo": {"all_built"},
    "test_bench": {"finished"},
    "test_diagnose": {"saved", "plain"},
    "test_docs_site": {"site", "pages"},
    "test_leave_one_out": {"finished"},
    "test_load_model": {"page"},
    "test_report_page": {"pages"},
    "test_saved": {"saved"},
    "test_search": {"finished", "joint"},
}


def missing_real_data() -> str | None:
    """Say why the tests on real data cannot run; None where they can."""
    folder = os.environ.get("NASNEURN_DATA")
    if not folder:
        return "real digit files needed: set NASNEURN_DATA to their folder"
    missing = [name for name in REAL_FILES if not (Path(folder) / name).is_file()]
    return f"NASNEURN_DATA={folder} lacks {', '.join(missing)}" if missing else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, the others in their order; mark what needs a long fixture."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    for item in items:
        needed = getattr(item, "fixturenames", ())
        if LONG_FIXTURES.get(item.path.stem, set()).intersection(needed):
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real_data") is None:
        return
    reason = missing_real_data()
    if reason is None:
        return
    if os.environ.get("CI") and os.environ.get("NASNEURN_DATA"):
        pytest.fail(f"CI names a folder of real data, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def real_data_dir() -> Path:
    """The folder of real digit files; for tests marked ``real_data``."""
    return Path(os.environ["NASNEURN_DATA"])


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for this run, unless NASNEURN_CACHE names one: tests leave the user's alone."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("NASNEURN_CACHE"):
            patch.setenv("NASNEURN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Path(os.environ["NASNEURN_CACHE"])


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("NASNEURN_CACHE", str(cache))
    return cache
