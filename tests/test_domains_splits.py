"""Split files of a user's own: a CSV file, and the lists that are published with PACS."""

import csv

import numpy as np
import pytest
from pets import fresh, make_pets, save

from nasneurn.domains import load_suite, source_rows
from nasneurn.errors import InputError

DOMAINS = ("photo", "sketch")


@pytest.fixture
def root(tmp_path, fresh_cache):
    return make_pets(tmp_path / "pets")


def images(root, domain):
    return sorted(path.relative_to(root).as_posix() for path in (root / domain).rglob("*.*"))


def write_csv(path, rows, header=("path", "split")):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows])
    return path


def divided(root):
    """Rows of a sound CSV file: by turns train, val and test."""
    return [
        (path, ("train", "train", "val", "test")[row % 4])
        for domain in DOMAINS
        for row, path in enumerate(images(root, domain))
    ]


def write_lists(folder, root):
    """Lists as PACS has them: eight in ten to train on, two for validation, all for the test."""
    folder.mkdir()
    for domain in DOMAINS:
        lists = {"train": [], "crossval": [], "test": []}
        for row, path in enumerate(images(root, domain)):
            line = f"{path} {1 + ('dog' in path)}"
            lists["test"].append(line)
            lists["crossval" if row % 5 == 0 else "train"].append(line)
        for name, lines in lists.items():
            (folder / f"{domain}_{name}_kfold.txt").write_text("\n".join(lines) + "\n")
    return folder


def paths_of(suite, root, domain, part):
    """The files whose pixels a part has: each is of a colour of its own."""
    found = {}
    for row, path in enumerate(images(root, domain)):
        save(root / path, (row * 12, 100, 50), quality=95)
        found[row] = path
    split = fresh(root, splits=suite.handle.splits).images(domain, part)
    return [found[round(image[8, 8, 0] / 12)] for image in split.images]


def test_a_csv_file_says_what_each_image_is_for(root, tmp_path):
    rows = divided(root)
    file = write_csv(tmp_path / "splits.csv", rows)
    suite = load_suite(root, size=16, splits=file)
    wanted = {
        split: [path for path, said in rows if said == split and path.startswith("photo")]
        for split in ("train", "val", "test")
    }
    held_out = suite.held_out("photo")
    train = paths_of(suite, root, "photo", "train")
    assert [path for path, held in zip(train, held_out, strict=True) if held] == wanted["val"]
    assert [path for path, held in zip(train, held_out, strict=True) if not held] == wanted["train"]
    assert paths_of(suite, root, "photo", "test") == wanted["test"]
    assert paths_of(suite, root, "photo", "all") == images(root, "photo")
    labels = suite.labels("photo", "test")
    assert [suite.classes[label] for label in labels] == [p.split("/")[1] for p in wanted["test"]]


def test_images_that_are_not_named_are_left_out(root, tmp_path):
    rows = [row for row in divided(root) if "/cat/1." not in row[0]]
    suite = load_suite(root, size=16, splits=write_csv(tmp_path / "splits.csv", rows))
    assert len(suite.labels("photo", "all")) == 19


def test_the_lists_of_pacs(root, tmp_path):
    suite = load_suite(root, size=16, splits=write_lists(tmp_path / "lists", root))
    train, held_out = suite.labels("photo", "train"), suite.held_out("photo")
    assert (len(train), held_out.sum()) == (20, 4)
    # A domain that is no source is tested on all its images. Of a source nothing is kept apart for
    # the test alone, and the images for validation serve.
    assert suite.tested("sketch", ["photo"]) == "all"
    assert len(suite.labels("sketch", "all")) == 20
    assert len(suite.labels("photo", "test")) == 4
    fit, held = source_rows(train, most=None, fraction=0.15, held_out=held_out)
    assert not set(fit) & set(held)
    tested = paths_of(suite, root, "photo", "test")
    assert tested == [path for row, path in enumerate(images(root, "photo")) if row % 5 == 0]


def test_the_known_error_of_the_published_lists_is_left_out(root, tmp_path):
    folder = write_lists(tmp_path / "lists", root)
    for name in ("train", "crossval"):
        file = folder / f"sketch_{name}_kfold.txt"
        file.write_text(file.read_text() + "sketch/dog/n02103406_4068-1.png 1\n")
    assert len(load_suite(root, size=16, splits=folder).labels("sketch", "all")) == 20


def test_the_digest_follows_the_split_file(root, tmp_path):
    plain = load_suite(root, size=16)
    rows = divided(root)
    file = write_csv(tmp_path / "splits.csv", rows)
    suite = load_suite(root, size=16, splits=file)
    assert suite.digest("photo", "train") != plain.digest("photo", "train")
    assert suite.digest("photo", "all") == plain.digest("photo", "all")
    # Another image for validation alone: the same training images, another selection.
    train, val = (
        next(i for i, r in enumerate(rows) if r[1] == split) for split in ("train", "val")
    )
    rows[train], rows[val] = (rows[train][0], "val"), (rows[val][0], "train")
    moved = load_suite(root, size=16, splits=write_csv(file, rows))
    np.testing.assert_array_equal(moved.labels("photo", "train"), suite.labels("photo", "train"))
    assert moved.digest("photo", "train") != suite.digest("photo", "train")
    assert moved.digest("photo", "test") == suite.digest("photo", "test")


def test_a_handle_has_the_split_file(root, tmp_path):
    rows = divided(root)
    file = write_csv(tmp_path / "splits.csv", rows)
    handle = load_suite(root, size=16, splits=file).handle
    fresh(root)
    opened = handle.open()
    assert opened.handle == handle
    assert len(opened.labels("photo", "test")) == 5
    fresh(root)
    write_csv(file, [(path, "test" if split == "val" else split) for path, split in rows])
    with pytest.raises(InputError, match="split file have changed since the run began"):
        handle.open()


BAD_ROWS = {
    "a missing image": (("photo/cat/77.png", "train"), r"line 42: no image .*photo/cat/77.png; "),
    "an unknown domain": (("foto/cat/0.png", "train"), r"no domain 'foto' .* did you mean 'photo'"),
    "an unknown class": (("photo/kat/0.png", "train"), r"no class 'kat' .* did you mean 'cat'"),
    "no path": (("photo", "train"), r"'photo' must be <domain>/<class>/<file>"),
    "an unknown split": (("photo/cat/0.png", "trian"), r"split is 'trian', must be .* 'train'\?"),
    "two splits": (
        ("photo/cat/0.png", "test"),
        r"line 42: photo/cat/0.png is for test, but it is for train in .*csv, line 2; .* one of",
    ),
    "a path alone": (("photo/cat/0.png",), r"line 42: split is ''"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_mistake_in_a_csv_file_is_named_with_its_line(root, tmp_path, case):
    row, message = BAD_ROWS[case]
    file = write_csv(tmp_path / "splits.csv", [*divided(root), row])
    with pytest.raises(InputError, match=message) as raised:
        load_suite(root, size=16, splits=file)
    assert f"{file}, line 42: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_same_image_twice_for_the_same_split_does_no_harm(root, tmp_path):
    rows = divided(root)
    file = write_csv(tmp_path / "splits.csv", [*rows, rows[0]])
    assert len(load_suite(root, size=16, splits=file).labels("photo", "all")) == 20


def test_a_file_or_domain_that_lacks_something(root, tmp_path):
    rows = divided(root)
    file = tmp_path / "splits.csv"
    for split, message in (
        (("train",), "the domain 'sketch' has no train images"),
        (("test", "val"), "the domain 'sketch' has neither test nor val images"),
    ):
        kept = [row for row in rows if row[0].startswith("photo") or row[1] not in split]
        with pytest.raises(InputError, match=message):
            load_suite(root, size=16, splits=write_csv(file, kept))
    with pytest.raises(InputError, match=r"csv, line 1: no column split; .* must be path,split"):
        load_suite(root, size=16, splits=write_csv(file, rows, ("path", "part")))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        load_suite(root, size=16, splits=file)
    with pytest.raises(InputError, match=r"nowhere: no such file; .* CSV file"):
        load_suite(root, size=16, splits=tmp_path / "nowhere")
    with pytest.raises(InputError, match="'builtin' has its own train and test"):
        load_suite("builtin", splits=file)


def test_mistakes_in_lists(root, tmp_path):
    folder = write_lists(tmp_path / "lists", root)
    train, crossval = (folder / f"photo_{name}_kfold.txt" for name in ("train", "crossval"))
    sound = train.read_text()
    for text, message in (
        ("photo/cat/1.jpg\n", r"line 17: 'photo/cat/1.jpg' must be a path and a number"),
        ("sketch/cat/1.jpg 1\n", r"line 17: sketch/cat/1.jpg is not of the domain 'photo'"),
        ("photo/cat/1.gif 1\n", r"line 17: no image"),
    ):
        train.write_text(sound + text)
        with pytest.raises(InputError, match=message):
            load_suite(root, size=16, splits=folder)
    train.write_text(sound)
    crossval.write_text(crossval.read_text() + sound.splitlines()[0])
    with pytest.raises(InputError, match=r"crossval_kfold.txt, line 5: .* for train in .*line 1;"):
        load_suite(root, size=16, splits=folder)
    train.unlink()
    with pytest.raises(InputError, match=r"photo_train_kfold.txt: no such file"):
        load_suite(root, size=16, splits=folder)
