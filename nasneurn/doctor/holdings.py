"""Data that is there and missing, and how much the caches hold."""

import os
from collections.abc import Iterator
from pathlib import Path

from nasneurn.doctor.remarks import Remark, gigabytes
from nasneurn.paths import cache_dir, data_dir


def examine_data(chosen: Path | None = None) -> Iterator[Remark]:
    """Which domains can be used; the files' headers alone are read.

    Args:
        chosen: the folder of the digits.
    """
    from nasneurn.domains import builtin, digits
    from nasneurn.errors import InputError

    yield Remark("ok", f"builtin: {', '.join(builtin.RECIPES)} (made on this machine)")
    folder = data_dir(chosen)
    there, missing = [], []
    for domain in digits.DOMAINS:
        paths = [digits.pack_file(folder, domain, split) for split in digits.SPLITS]
        if not all(path.exists() for path in paths):
            missing.append(domain)
            continue
        try:
            for path in paths:
                digits.read_headers(path)
        except InputError as error:
            yield Remark("missing", str(error))
        else:
            there.append(domain)
    if there:
        yield Remark("ok", f"digits in {folder}: {', '.join(there)}")
    if missing:
        yield Remark(
            "missing",
            f"digits: {', '.join(missing)} not in {folder}: name their folder by NASNEURN_DATA, or "
            f"nasneurn data prepare {' '.join(missing)}",
        )


def examine_caches() -> Iterator[Remark]:
    """How much each cache holds; it may be removed, and is made again."""
    home = Path.home()
    hub = os.environ.get("HF_HOME", home / ".cache" / "huggingface")
    torch_home = os.environ.get("TORCH_HOME", home / ".cache" / "torch")
    named = {
        "nasneurn (NASNEURN_CACHE)": cache_dir(),
        "Hugging Face's weights (HF_HOME)": Path(hub),
        "torchvision's weights (TORCH_HOME)": Path(torch_home),
    }
    for what, folder in named.items():
        size, files = _held(folder)
        yield Remark("ok", f"{what}: {folder}, {gigabytes(size)} in {files} files")


def _held(folder: Path) -> tuple[int, int]:
    """Bytes and files; what cannot be read does not count."""
    size = files = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(root, name)).st_size
            except OSError:
                continue
            files += 1
    return size, files
