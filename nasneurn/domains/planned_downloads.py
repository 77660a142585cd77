"""What ``nasneurn data prepare`` is going to fetch, and how large it is; told before it does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nasneurn.domains.digits import DOMAINS, SPLITS, SYN, pack_file
from nasneurn.domains.prepare import SOURCES
from nasneurn.paths import data_dir as default_data_dir

#: Bytes of the raw files, as their servers give them; asking would take a connection.
SIZES = {
    "train-images-idx3-ubyte.gz": 9_912_422,
    "train-labels-idx1-ubyte.gz": 28_881,
    "t10k-images-idx3-ubyte.gz": 1_648_877,
    "t10k-labels-idx1-ubyte.gz": 4_542,
    "train_32x32.mat": 182_040_794,
    "test_32x32.mat": 64_275_384,
    "usps.bz2": 6_579_383,
    "usps.t.bz2": 1_831_726,
}


@dataclass(frozen=True)
class Download:
    """The raw files of one domain that are to be fetched.

    Attributes:
        domain: its name.
        home: where they come from.
        files: their names.
        bytes: how much is fetched, without what has come before.
        to: where they come to lie until they are packed.
    """

    domain: str
    home: str
    files: tuple[str, ...]
    bytes: int
    to: Path


def planned_downloads(
    names: Sequence[str], data_dir: Path | None = None, *, force: bool = False
) -> list[Download]:
    """What :func:`nasneurn.domains.prepare.prepare` would fetch; nothing is asked of a server.

    Args:
        names: domains; those that need no download are passed over, and unknown names too.
        data_dir: the folder of prepared data.
        force: make files again that are there.
    """
    folder = default_data_dir(data_dir)
    raw = folder / "raw"
    found: list[Download] = []
    if not set(names) <= {*DOMAINS, SYN}:  # which will be refused
        return found
    for name in DOMAINS:
        if name not in names or name not in SOURCES:
            continue
        wanted = [one for one in SPLITS if force or not pack_file(folder, name, one).exists()]
        sizes = dict(_lacking(name, wanted, raw))
        if sizes:
            home = SOURCES[name].home
            found.append(Download(name, home, tuple(sizes), sum(sizes.values()), raw))
    return found


def _lacking(name: str, splits: Sequence[str], raw: Path) -> Iterator[tuple[str, int]]:
    """Files that are not there, with the bytes of them that have not come yet."""
    for split in splits:
        for file in SOURCES[name].files(split):
            if not (raw / file.name).is_file():
                part = raw / f"{file.name}.part"
                have = part.stat().st_size if part.is_file() else 0
                yield file.name, max(0, SIZES.get(file.name, 0) - have)
