"""Rows and architectures of several studies together, for questions that one cannot answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nasneurn.choices import refuse_code
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.studies.folder import Study, check_begun

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class JoinedStudies:
    """What several studies hold together.

    Attributes:
        rows: of all ``accuracy.csv``, each training and target once.
        architectures: by the name that rows have.
        image_size: side of the images.
        adaptation: how networks of libraries were made to take such images.
    """

    rows: "pd.DataFrame"
    architectures: dict[str, Architecture]
    image_size: int
    adaptation: Adapting


def join_studies(folders: Sequence[Path | str], *, trust_code: bool = False) -> JoinedStudies:
    """Read studies that are finished or not.

    Args:
        folders: of one study or several; of a search its found architectures count.
        trust_code: whether code that the files name may be imported later.

    Raises:
        InputError: a folder holds no study or no row; two studies have images of two sizes, adapt
            networks in two ways, or have two architectures of one name; code is named without
            ``trust_code``.
    """
    import pandas as pd

    if not folders:
        raise InputError("no study; name the folder of one or more")
    tables, sizes = [], {}
    adapted: dict[str, Adapting] = {}
    known: dict[str, Architecture] = {}
    for folder in folders:
        study = Study(folder)
        check_begun(study)
        if not study.has("accuracy") or study.accuracy.empty:
            raise InputError(f"{study.folder} holds no finished training yet")
        tables.append(study.accuracy)
        written = read_yaml(study.config_path)
        size = written.get("image_size")
        if not isinstance(size, int):
            raise InputError(f"{study.config_path}: image_size is {size!r}, must be a whole number")
        sizes[str(folder)] = size
        # Studies that were written before there was a choice have networks as published.
        adapted[str(folder)] = written.get("adaptation", "as-published")
        for one in _architectures(study, trust_code):
            before = known.setdefault(one.name, one)
            if before.model_dump(exclude={"version"}) != one.model_dump(exclude={"version"}):
                raise InputError(
                    f"{folder}: {one.name} is another architecture than in the studies before; "
                    "studies that are joined need names that differ"
                )
    for what, values in (
        ("images of several sizes", sizes),
        ("networks adapted in several ways", adapted),
    ):
        if len(set(values.values())) > 1:
            told = ", ".join(f"{folder}: {value}" for folder, value in values.items())
            raise InputError(f"studies of {what} cannot be joined ({told})")
    rows = pd.concat(tables, ignore_index=True)
    rows = rows.drop_duplicates(["training", "target"], ignore_index=True)
    return JoinedStudies(rows, known, next(iter(sizes.values())), next(iter(adapted.values())))


def _architectures(study: Study, trust_code: bool) -> list[Architecture]:
    """Those of the configuration, or those that a search found."""
    named = [Architecture.checked(**record) for record in study.architecture_records]
    if not named:
        named = [Architecture(name=one.name, library="found", found=one) for one in study.found]
    code = list(dict.fromkeys(path for one in named for path in one.code))
    refuse_code(study.folder, code, trust_code)
    return named
