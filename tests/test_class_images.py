"""What is taken for an image of a class: what torchvision's ImageFolder takes; the rest is told."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from pets import COLOURS, fresh, make_pets, save
from torchvision.datasets import ImageFolder

from nasneurn.domains import listing, load_suite
from nasneurn.domains.class_images import images_below
from nasneurn.errors import InputError


@pytest.fixture
def root(tmp_path: Path, fresh_cache: Path) -> Path:
    return make_pets(tmp_path / "pets")  # type: ignore[no-any-return]


def taken(root: Path, domain: str) -> list[str]:
    return listing.scan(root).domains[domain].paths()


def test_images_at_any_depth_are_those_of_image_folder(root: Path, tmp_path: Path) -> None:
    for place in ("a/0.png", "a/b/c/1.JPG", "z.d/2.webp", "Ü ü/3.tiff"):
        save(root / "photo" / "cat" / place, COLOURS["cat"])
    save(tmp_path / "elsewhere" / "4.ppm", COLOURS["cat"])
    (root / "photo" / "cat" / "link").symlink_to(tmp_path / "elsewhere")
    (root / "photo" / "cat" / "a" / "notes.txt").write_text("no image")
    for domain in ("photo", "sketch"):
        samples = [path for path, _ in ImageFolder(str(root / domain)).samples]
        expected = sorted(str(Path(path).relative_to(root)) for path in samples)
        assert sorted(taken(root, domain)) == expected
    assert len(taken(root, "photo")) == 25
    suite = load_suite(root, size=16)
    whole = suite.images("photo", "all")
    for image, label in zip(whole.images, whole.labels, strict=True):
        expected_colour = COLOURS[suite.classes[label]]
        assert np.abs(np.asarray(image).astype(int) - expected_colour).max() <= 12


def test_what_is_passed_over_is_told_once(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cat = root / "photo" / "cat"
    for name in ("a.heic", "b.HEIC", "c.txt", "._0.png", "Makefile", ".DS_Store"):
        (cat / name).write_bytes(b"x")
    (cat / "gone.png").symlink_to("nowhere")
    save(root / "photo" / "beside.png")
    (root / "readme.md").write_text("")
    fresh(root)
    told = capfd.readouterr().err
    assert told == (
        f"nasneurn: {root}: passed over 8 files: 4 with endings that are not read (.heic 2, .txt "
        "1, no ending 1), 2 hidden, 1 no regular file, 1 in no class folder\n"
    )
    load_suite(root, size=8)
    assert capfd.readouterr().err == ""
    (cat / "d.txt").write_bytes(b"x")
    load_suite(root, size=8)
    assert "passed over 9 files" in capfd.readouterr().err


def test_a_class_of_other_endings_says_what_it_holds(root: Path) -> None:
    for number, path in enumerate(sorted((root / "photo" / "cat").iterdir())):
        path.rename(path.with_name(f"{number}.heic"))
    with pytest.raises(InputError, match=r"holds no images .*passed over 10 files.*\.heic 10"):
        fresh(root)


def test_a_change_in_a_nested_folder_is_seen(root: Path) -> None:
    below = root / "photo" / "cat" / "below"
    save(below / "0.png")
    assert len(fresh(root).labels("photo", "all")) == 21
    assert load_suite(root, size=16) is load_suite(root, size=16)
    save(below / "1.png")
    os.utime(below, ns=(1, 1))  # also by a clock that is too coarse
    assert len(load_suite(root, size=16).labels("photo", "all")) == 22
    save(below / "deeper" / "2.png")
    os.utime(below, ns=(2, 2))
    assert len(load_suite(root, size=16).labels("photo", "all")) == 23
    for path in sorted(below.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    below.rmdir()
    assert len(load_suite(root, size=16).labels("photo", "all")) == 20


def test_links_in_a_circle_end(root: Path) -> None:
    cat = root / "photo" / "cat"
    (cat / "self").symlink_to(cat)
    (cat / "up").symlink_to(root / "photo")
    assert len(images_below(root / "photo" / "dog").images) == 10
    found = images_below(cat)
    assert len(found.images) < 100
    assert {name for name, _, _ in found.images if "/" not in name} == {
        path.name for path in cat.iterdir() if path.is_file()
    }


def test_folders_that_link_to_each_other_are_each_entered_once(tmp_path: Path) -> None:
    for one in range(10):
        save(tmp_path / "class" / f"f{one}" / "0.png")
        for other in range(10):
            (tmp_path / "class" / f"f{one}" / f"to{other}").symlink_to(f"../f{other}")
    found = images_below(tmp_path / "class")
    assert [name for name, _, _ in found.images] == [f"f{one}/0.png" for one in range(10)]
    assert found.folders == [f"f{one}" for one in range(10)]


def test_a_folder_of_the_class_goes_by_its_own_path(tmp_path: Path) -> None:
    save(tmp_path / "class" / "z" / "own" / "0.png")
    save(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "class" / "a").symlink_to("z/own")
    for name in ("c", "b"):
        (tmp_path / "class" / name).symlink_to("../elsewhere")
    names = [name for name, _, _ in images_below(tmp_path / "class").images]
    assert names == ["b/1.png", "z/own/0.png"]


@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_folders_may_be_deeper_than_calls(tmp_path: Path) -> None:
    deep = [f"{tmp_path}{'/d' * number}" for number in range(1, 1501)]
    for folder in deep:
        os.mkdir(folder)
    Path(deep[-1], "0.png").touch()
    assert len(images_below(tmp_path).images) == 1
    Path(deep[-1], "0.png").unlink()
    for folder in reversed(deep):  # or pytest would call itself as often, to remove them
        os.rmdir(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names are text")
def test_a_root_whose_name_is_no_text_is_refused_before_its_images_are_read(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "scan", pytest.fail)
    for named in (tmp_path / "su\udcff", tmp_path / "su\udcff" / "pets"):
        root.rename(named)
        with pytest.raises(InputError, match=r"su\\udcff.*: is not text in UTF-8; rename it"):
            load_suite(named, size=16)
        named.rename(root)
        (tmp_path / "su\udcff").mkdir(exist_ok=True)


def test_nested_images_have_a_split_file(root: Path, tmp_path: Path) -> None:
    save(root / "photo" / "cat" / "below" / "0.png")
    lines = ["path,split"]
    for domain in ("photo", "sketch"):
        paths = taken(root, domain)
        lines += [f"{path},{'test' if row % 4 == 0 else 'train'}" for row, path in enumerate(paths)]
    splits = tmp_path / "splits.csv"
    splits.write_text("\n".join(lines) + "\n")
    suite = fresh(root, splits=splits)
    assert len(suite.labels("photo", "train")) + len(suite.labels("photo", "test")) == 21


def test_a_cache_that_cannot_be_written_costs_time_alone(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    expected = np.asarray(fresh(root).images("photo", "test").images)
    monkeypatch.setenv("NASNEURN_CACHE", str(tmp_path / "file" / "below"))
    split = fresh(root).images("photo", "test")
    assert split.images.decoding
    np.testing.assert_array_equal(np.asarray(split.images), expected)
    assert fresh(root).digest("photo", "test")
