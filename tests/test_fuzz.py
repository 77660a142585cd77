"""Files that are damaged in any way end in a result or in one line that says what is wrong.

``NASNEURN_FUZZ=10000 pytest tests/test_fuzz.py -rP`` tries so many cases.
"""

import csv
import io
import os
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import damage
import numpy as np
import pets
import pytest
import torch
import yaml
from grid_rows import grid_rows
from PIL import Image
from safetensors.torch import save_file
from test_changed_images import planned

from alignment.cache import SequenceCache
from alignment.errors import AlignmentError
from alignment.outputs import prepare_folder
from alignment.printed import read_matrix
from alignment.zoo import Request, resolve
from nasneurn.api import read_config
from nasneurn.domains import digits, file_hashes, listing, load_suite
from nasneurn.domains.decoding import decode, read_bytes
from nasneurn.domains.prepare import prepare
from nasneurn.errors import InputError
from nasneurn.networks.found import FoundArchitecture, choose_found, read_found, write_found
from nasneurn.networks.weight_files import read_weights
from nasneurn.prediction.model_file import read_model
from nasneurn.progress_notes import ProgressNote
from nasneurn.report.content import picture
from nasneurn.rows import read_rows
from nasneurn.search.scores import Scores
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.locks import Locks
from nasneurn.studies.saved import read_predictions
from nasneurn.studies.standing import progress_of
from nasneurn.studies.store import Outcomes
from search_spaces.checkpointing import readable_state
from search_spaces.errors import SpaceError
from search_spaces.supernet import load_weights

#: Formats of images.
IMAGES = ("png", "jpeg", "tiff", "gif", "webp", "bmp", "ppm")
#: Cases in all.
CASES = int(os.environ.get("NASNEURN_FUZZ", "2000"))
TOLD = (InputError, AlignmentError, SpaceError)


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: the file's name.
        content: a whole one.
        read: all that is read of it; gets its path.
        values: plain data that it holds, to be changed before it is written by ``written``.
    """

    name: str
    content: bytes
    read: Callable[[Path], Any]
    values: Any = None
    written: Callable[[Any], bytes] = damage.as_json


# ---------------------------------------------------------------- what is read of each


def read_store(config: BenchConfig) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        study = Study(path.parent.parent)
        outcomes = study.store.outcomes()
        progress_of(config.units(outcomes), outcomes)
        study.gather(config, outcomes)
        _ = study.accuracy, study.history, study.failures

    return read


def read_study_config(path: Path) -> None:
    config = read_config(path)
    for unit in config.units(Outcomes()):
        assert len(unit.identity) == 16
    config.differences(config)
    config.write(path, {})
    assert read_config(path) == config


def read_architectures(path: Path) -> None:
    found = read_found(path)
    choose_found(found, "best", path)
    write_found(path, found)
    assert read_found(path) == found


def read_lock(path: Path) -> None:
    locks = Locks(path.parent)
    locks.held_by_others()
    locks.take(path.stem)
    locks.release_all()


def read_kept_sequence(request: Request) -> Callable[[Path], Any]:
    return lambda path: SequenceCache(path.parent.parent).load(request)


def read_advice(path: Path) -> None:
    for stem in read_model(path).stems:
        features = np.zeros(len(stem.model.features))
        stem.distances(features)
        stem.model.predict(features[None])


# ---------------------------------------------------------------- whole ones


def store_of(config: BenchConfig) -> tuple[list[dict[str, Any]], bytes]:
    records: list[dict[str, Any]] = []
    for unit in config.units(Outcomes()):
        about: Any = unit.columns
        row = {**about, "target": "photo", "accuracy": 0.5, "n": 4, "choices": "fixed"}
        epoch = {**about, "epoch": 1, "loss": 0.7, "held_out_accuracy": 0.5}
        tables = {"accuracy": [row], "history": [epoch], "classes": [{**row, "class": "cat"}]}
        done = {"unit": unit.identity, "status": "done", "time": 1.0, "tables": tables}
        records.append({**done, "title": unit.title})
    records.append(
        {"unit": records[0]["unit"], "status": "failed", "time": 2.0, "error": "e", "details": "d"}
    )
    return records, lines_of(records)


def lines_of(records: Any) -> bytes:
    listed = records if isinstance(records, list) else [records]
    return b"\n".join(map(damage.as_json, listed)) + b"\n"


def csv_of(rows: Any) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    listed = rows if isinstance(rows, list) else [rows]
    writer.writerows(row if isinstance(row, list) else [row] for row in listed)
    return text.getvalue().encode(errors="surrogatepass")


def parquet() -> bytes:
    import pandas as pd

    frame = {"target": ["photo"], "image": [0], "label": [1], "logits": [[0.1, 0.2]]}
    content = io.BytesIO()
    pd.DataFrame(frame).to_parquet(content)
    return content.getvalue()


def npz() -> bytes:
    content = io.BytesIO()
    images = np.zeros((6, 8, 8, 3), np.uint8)
    np.savez_compressed(content, images=images, labels=np.arange(6) % 2)
    return content.getvalue()


def image(kind: str) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 15, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def saved(value: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


def search_config() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "results" / "search-digits" / "spos" / "config.yaml"
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


FOUND = [
    FoundArchitecture(
        name="spos/photo-none-0",
        space="spos",
        settings={"width": 0.25, "blocks": [2, 2, 4, 2]},
        choices={"layer_0": "k3", "layer_1": "xcep"},
        source="photo",
        held_out_accuracy=0.5,
    ).model_dump(mode="json")
]
MATRIX = [["", "a", "b"], ["a", 1.0, 0.5], ["b", 0.5, 1.0]]
NOTE = {"description": "a, none, photo", "done": 1, "total": 3, "told": ["4 images/s"]}
ALIGNED = {"kind": "align", "scheme": "layer", "architectures": ["a", "b"], "figures": "png"}
MODEL = {
    "version": 1,
    "nasneurn": "0.1.0",
    "studies": ["a"],
    "image_size": 32,
    "images": 100,
    "stems": [
        {
            "stem": "neurn", "control": "none", "scheme": "domain", "mae": 1.0, "mae_of_mean": 2.0,
            "beats_mean": True, "reach": 2.0, "farthest": 1.0,
            "model": {
                "features": ["a", "b"], "mean": [0.0, 1.0], "scale": [1.0, 1.0],
                "coefficients": [1.0, 2.0], "intercept": 0.0, "penalty": 1.0,
            },
            "pairs": [
                {"suite": "s", "source": "a", "target": "b", "gain": 1.0, "features": [0.1, 0.2]}
            ],
        }
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> list[Kind]:
    home = tmp_path_factory.mktemp("whole")
    root = pets.make_pets(home / "pets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASNEURN_CACHE", str(home / "cache"))
        config = planned(root, sources_named=["photo"])
        suite = load_suite(root, size=16)
        suite.images("photo", "all")
        scanned = listing.scan(root)
        kept_listing = next(listing.cache_folder(root).glob("listing-*.npz"))
        hashes = listing.cache_folder(root) / "hashes.npz"
        file_hashes.FileHashes(hashes).add(
            np.arange(4, dtype=np.uint64), np.zeros((4, 16), np.uint8)
        )
    records, store = store_of(config)
    plan = config.model_dump(mode="json")
    rows = grid_rows(("resnet18",), seeds=1).head(8)
    table = [list(rows.columns), *rows.astype(object).to_numpy().tolist()]
    division = [["path", "split"], *([path, "train"] for path in scanned.domains["photo"].paths())]
    lock = {"machine": "m", "pid": 1, "started": 1.0, "token": "ab12"}
    request = Request("resnet18", "timm", "resnet18")
    cached = SequenceCache(home / "sequences").path(request)
    assert cached is not None
    weights = {"a.weight": torch.zeros(2, 2)}
    save_file(weights, home / "weights.safetensors")

    def read_splits(path: Path) -> None:
        pets.fresh(root, splits=path).labels("photo", "train")

    def read_listing(path: Path) -> None:
        path.replace(kept_listing)
        listing.kept(root, scanned.digest)

    return [
        Kind("store/rows.jsonl", store, read_store(config), records, lines_of),
        Kind("config.yaml", damage.as_yaml(plan), read_study_config, plan, damage.as_yaml),
        Kind("config.yaml", b"", read_study_config, search_config(), damage.as_yaml),
        Kind("accuracy.csv", csv_of(table), lambda p: read_rows(p, ["seed"]), table, csv_of),
        Kind("architecture.json", damage.as_json(FOUND), read_architectures, FOUND),
        Kind("model.json", damage.as_json(MODEL), read_advice, MODEL),
        Kind("locks/unit.json", damage.as_json(lock), read_lock, lock),
        Kind("scores.jsonl", b'["a", 0.5]\n["b", 1]\n', Scores, [["a", 0.5]], lines_of),
        Kind("splits.csv", csv_of(division), read_splits, division, csv_of),
        Kind("models.txt", b"resnet18 # one\nvgg19\n", lambda p: resolve([str(p)], list)),
        Kind("photo_train.npz", npz(), lambda p: np.asarray(digits.read_pack(p).images)),
        Kind("listing.npz", kept_listing.read_bytes(), read_listing),
        Kind("hashes.npz", hashes.read_bytes(), file_hashes.FileHashes),
        Kind(f"{cached.parent.name}/{cached.name}", b"0\n{}", read_kept_sequence(request)),
        Kind("predictions.parquet", parquet(), read_predictions),
        *(Kind(f"0.{one}", image(one), lambda p: decode(p, 8)) for one in IMAGES),
        Kind("own.csv", csv_of(MATRIX), read_matrix, MATRIX, csv_of),
        Kind("note.json", damage.as_json(NOTE), ProgressNote.read, NOTE),
        Kind(
            "al/config.yaml", damage.as_yaml(ALIGNED), lambda p: prepare_folder(p.parent),
            ALIGNED, damage.as_yaml,
        ),
        Kind("w.safetensors", (home / "weights.safetensors").read_bytes(), read_weights),
        Kind("w.pt", saved(weights), read_weights),
        Kind("state.ckpt", saved({"state_dict": weights, "loops": {}}), readable_state),
    ]  # fmt: skip


@pytest.mark.slow
def test_damaged_files_end_in_a_result_or_in_one_line(
    kinds: list[Kind], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    for case in range(CASES):
        draws = np.random.default_rng([7, case])
        kind = kinds[case % len(kinds)]
        path = tmp_path / str(case) / kind.name
        path.parent.mkdir(parents=True)
        content = kind.content
        if kind.values is not None and draws.random() < 0.6:
            content = kind.written(damage.changed(kind.values, draws))
        elif kind.name == "config.yaml" and draws.random() < 0.4:
            content += damage.TRICKS[draws.integers(len(damage.TRICKS))]
        else:
            content = damage.damaged(content, draws)
        path.write_bytes(content)
        try:
            kind.read(path)
            ends["read"] += 1
        except TOLD as error:
            ends["told"] += 1
            if "\n" in str(error):
                wrong.append(f"case {case}, {kind.name}: no line for people: {error!r:.300}")
        except Exception:
            ends["traceback"] += 1
            wrong.append(f"case {case}, {kind.name}:\n{traceback.format_exc()[-1200:]}")
    capsys.readouterr()
    print(f"{CASES} damaged files: {dict(ends)}")
    assert not wrong, f"{len(wrong)} of {CASES}:\n" + "\n".join(wrong[:30])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are needed")
def test_no_one_waits_for_a_named_pipe(kinds: list[Kind], tmp_path: Path) -> None:
    for number, kind in enumerate(kinds):
        path = tmp_path / str(number) / kind.name
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
        told = ""
        try:
            kind.read(path)
        except TOLD as error:
            told = str(error)
        assert not told or (str(path.parent) in told and path.name in told)


def drawn(path: Path) -> None:
    picture(path, "nasneurn figures")


def photo(path: Path) -> None:
    for other in ("a.png", "b.png"):
        pets.save(path.with_name(other), size=(40, 40))
    (path.parent / "mnist").mkdir()
    for split in ("train", "test"):
        (path.parent / "mnist" / f"mnist_{split}.npz").write_bytes(npz())
    prepare(["mnistm"], data_dir=path.parent / "mnist", photos=path.parent)


#: Further readers of files by name, of folders that come from elsewhere.
READERS: dict[str, Callable[[Path], Any]] = {
    "heatmap.png": drawn,
    "config.yaml": lambda path: prepare_folder(path.parent),
    "own.csv": read_matrix,
    "0.png": photo,
    "1.png": read_bytes,
    "net.safetensors": lambda path: load_weights(path, "a"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are needed")
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("name", READERS)
def test_nor_for_one_in_a_folder_from_elsewhere(name: str, linked: bool, tmp_path: Path) -> None:
    path = tmp_path / "folder" / name
    path.parent.mkdir()
    os.mkfifo(tmp_path / "pipe" if linked else path)
    if linked:
        path.symlink_to(tmp_path / "pipe")
    with pytest.raises(TOLD) as told:
        READERS[name](path)
    assert name in str(told.value)
    assert "\n" not in str(told.value)
