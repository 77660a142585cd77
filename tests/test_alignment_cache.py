import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import alignment.cache
from alignment import AlignmentError, Architecture, Layer
from alignment.cache import SequenceCache
from alignment.sequences import serialize
from alignment.zoo import Request, resolve

LAYERS = (Layer("conv2d", (3, 3), (1, 1), 1, 3, 8, (8, 4, 4), 216, 3456), Layer("relu"))
REQUEST = Request("small", "timm", "test_resnet", None, "test")


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    cache = SequenceCache(tmp_path)
    assert cache.load(REQUEST) is None
    architecture = Architecture("small", "test", (*LAYERS, *LAYERS))
    cache.store(REQUEST, architecture)
    assert cache.load(REQUEST) == architecture
    # Under another name the same entry serves; another size is another entry.
    assert cache.load(Request("other", "timm", "test_resnet", None, "test")) == Architecture(
        "other", "test", architecture.layers
    )
    assert cache.load(Request("small", "timm", "test_resnet", 64, "test")) is None
    assert cache.load(Request("small", "torchvision", "test_resnet")) is None


def test_all_of_an_architecture_is_kept(tmp_path: Path) -> None:
    cache = SequenceCache(tmp_path)
    listing = ("Conv2d", "ReLU", "Conv2d", "Identity")
    architecture = Architecture("small", "test", (*LAYERS, *LAYERS), listing, (0, 2, 1, 3))
    cache.store(REQUEST, architecture)
    assert cache.load(REQUEST) == architecture


def test_keras_models_are_kept_by_the_version_of_keras_and_the_shape_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = SequenceCache(tmp_path)
    request = Request("keras:VGG16", "keras", "VGG16")
    shaped = replace(request, shape=(3, 64, 96))
    cache.store(request, Architecture("keras:VGG16", "vgg", LAYERS))
    assert cache.load(request) is not None
    assert cache.load(shaped) is None
    others = {replace(shaped, shape=shape) for shape in ((3, 64, 96), (3, 96, 64), (1, 64, 96))}
    assert len({cache.path(one) for one in (request, *others)}) == 4
    known = alignment.cache.version
    monkeypatch.setattr(
        alignment.cache, "version", lambda name: "99" if name == "keras" else known(name)
    )
    assert cache.load(request) is None
    # What others build stays known, whatever Keras there is.
    cache.store(REQUEST, Architecture("small", "test", LAYERS))
    monkeypatch.undo()
    assert cache.load(REQUEST) is not None


def test_a_row_of_keras_has_the_listing_of_keras(tmp_path: Path) -> None:
    """And what builds it here keeps its own, under the same entry."""
    (row,) = resolve(["vgg16"], list)
    (plain,) = serialize(
        [Request("vgg16", "timm", "vgg16", 224, None, 1000)], tmp_path
    ).architectures
    (listed,) = serialize([row], tmp_path).architectures
    assert len(list(tmp_path.rglob("vgg16*.json"))) == 1
    assert plain.layers == listed.layers
    assert (plain.listing[1], listed.listing[1]) == ("ReLU", "Conv2D")


def test_failures_are_kept(tmp_path: Path) -> None:
    cache = SequenceCache(tmp_path)
    cache.store(REQUEST, "cannot be built: because")
    assert cache.load(REQUEST) == "cannot be built: because"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("216", "217"),
        lambda text: "not\njson",
        lambda text: "\0" * 100,
    ],
)
def test_a_damaged_entry_is_built_again(tmp_path: Path, damage) -> None:
    first = serialize([REQUEST], tmp_path).architectures
    path = SequenceCache(tmp_path).path(REQUEST)
    assert path is not None
    path.write_text(damage(path.read_text().replace("x", "x")))
    if "216" not in path.read_text() and "217" not in path.read_text():
        assert SequenceCache(tmp_path).load(REQUEST) is None
    assert serialize([REQUEST], tmp_path).architectures == first
    assert SequenceCache(tmp_path).load(REQUEST) == first[0]


@pytest.mark.parametrize(
    "value",
    [[], {}, {"family": "a", "layers": [[1]], "order": [0]}, {"family": "a", "layers": []},
     {"family": "a", "layers": [], "order": [3]},
     {"family": "a", "layers": [], "order": [], "classes": [], "listing": [2], "canonical": []},
     {"family": "a", "layers": [], "order": [], "classes": [], "listing": []}],
)  # fmt: skip
def test_an_entry_of_another_form_is_taken_for_absent(tmp_path: Path, value) -> None:
    path = SequenceCache(tmp_path).path(REQUEST)
    assert path is not None
    alignment.cache._write(path, value)
    assert SequenceCache(tmp_path).load(REQUEST) is None


def test_versions_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SequenceCache(tmp_path).store(REQUEST, Architecture("small", "test", LAYERS))
    monkeypatch.setattr(alignment.cache, "SERIALIZER_VERSION", 10**6)
    assert SequenceCache(tmp_path).load(REQUEST) is None
    monkeypatch.undo()
    monkeypatch.setattr(alignment.cache, "version", lambda name: "0.0")
    assert SequenceCache(tmp_path).load(REQUEST) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    answer = serialize([REQUEST], blocked / "cache")
    assert len(answer.architectures) == 1
    assert serialize([REQUEST], None).architectures == answer.architectures
    assert serialize([REQUEST], Path("c" * 5000)).architectures == answer.architectures


def test_names_with_odd_letters_stay_inside(tmp_path: Path) -> None:
    cache = SequenceCache(tmp_path)
    for name in ("../../outside", "a/b", "a:b", "x" * 300):
        path = cache.path(Request(name, "timm", name))
        assert path is not None
        assert tmp_path in path.resolve().parents
        assert len(path.name) < 200
    assert cache.path(Request("a", "timm", "a/b")) != cache.path(Request("a", "timm", "a:b"))


def test_unknown_architectures_are_left_out_or_refused(tmp_path: Path) -> None:
    odd = Request("odd", "timm", "no_such_model")
    answer = serialize([odd, REQUEST], tmp_path)
    assert [one.name for one in answer.architectures] == ["small"]
    assert answer.failures[0][0] == "odd"
    assert "cannot be built" in answer.failures[0][1]
    with pytest.raises(AlignmentError, match="odd cannot be built"):
        serialize([odd], tmp_path, strict=True)
    with pytest.raises(AlignmentError, match="jobs"):
        serialize([odd], tmp_path, jobs=0)


def test_an_image_that_does_not_fit(tmp_path: Path) -> None:
    wrong = Request("wrong", "timm", "vit_tiny_patch16_224", 100)
    assert "cannot be run" in dict(serialize([wrong], tmp_path).failures)["wrong"]


def _store_many(folder: str, start: int) -> None:
    cache = SequenceCache(Path(folder))
    for k in range(60):
        cache.store(REQUEST, Architecture("small", "test", LAYERS * (1 + (start + k) % 50)))
        found = cache.load(REQUEST)
        assert isinstance(found, Architecture)
        assert found.layers == LAYERS * (len(found.layers) // 2)


def test_processes_share_the_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_store_many, args=(str(tmp_path), k * 7)) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.slow
def test_sequences_are_the_same_in_every_process(tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path;"
        "from alignment.sequences import serialize; from alignment.zoo import Request;"
        "names = ['test_vit', 'test_nfnet', 'test_byobnet', 'test_convnext'];"
        "one = serialize([Request(n, 'timm', n) for n in names], None);"
        "print(json.dumps([[l.as_row() for l in a.layers] for a in one.architectures]))"
    )
    outputs = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TIMM_FUSED_ATTN": seed}
        outputs.append(
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            ).stdout
        )
    assert outputs[0] == outputs[1]
    assert len(json.loads(outputs[0])) == 4


@pytest.mark.slow
def test_interrupted_work_is_kept_and_continued(tmp_path: Path) -> None:
    """A process killed in the middle leaves whole entries, and the next one starts behind them."""
    code = (
        "import sys; from pathlib import Path; import timm;"
        "from alignment.sequences import serialize; from alignment.zoo import Request;"
        "names = timm.list_models('resnet*')[:60];"
        "serialize([Request(n, 'timm', n) for n in names], Path(sys.argv[1]), jobs=1)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.rglob("resnet*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    done = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("resnet*.json")}
    assert 3 <= len(done) < 60
    import timm

    requests = [Request(name, "timm", name) for name in timm.list_models("resnet*")[:6]]
    steps: list[int] = []
    answer = serialize(requests, tmp_path, step=steps.append)
    assert len(answer.architectures) == 6
    assert len(steps) <= 3
    for path in tmp_path.rglob("resnet*.json"):
        if path.name in done:
            assert path.stat().st_mtime_ns == done[path.name]


@pytest.mark.slow
def test_processes_stop_when_one_stops_waiting(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import timm;"
        "from alignment.sequences import serialize; from alignment.zoo import Request;"
        "names = timm.list_models('*resnet*')[:90];"
        "serialize([Request(n, 'timm', n) for n in names], Path(sys.argv[1]), jobs=2,"
        " step=lambda count: sys.exit(3))"
    )
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert child.returncode == 3
    assert 1 <= len(list(tmp_path.rglob("*.json"))) < 45


def align_in(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(code)
    return subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=folder,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("temporary", ["short", "long"])
def test_a_script_without_a_guard_aligns_in_processes(tmp_path: Path, temporary: str) -> None:
    """Also where the folder of temporary files has no room for the name of a socket."""
    folder = tmp_path / ("t" * 150 if temporary == "long" else "t")
    folder.mkdir()
    code = (
        "print('script runs')\n"
        "import nasneurn\n"
        "done = nasneurn.align('test_*', jobs=2)\n"
        "print(len(done), 'aligned')\n"
    )
    cache = str(tmp_path / "cache")
    answer = align_in(tmp_path, code, TMPDIR=str(folder), NASNEURN_CACHE=cache)
    assert answer.returncode == 0, answer.stderr
    first, last = answer.stdout.splitlines()
    assert first == "script runs"
    assert int(last.split()[0]) >= 12  # enough for several processes
    assert "Traceback" not in answer.stderr
