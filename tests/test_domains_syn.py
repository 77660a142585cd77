"""SYN: from the released files or from images, as a domain, and in the literature's table."""

import numpy as np
import pandas as pd
import pytest
from in_process import refusal
from PIL import Image
from scipy.io import savemat
from test_domains_digits import write_suite
from test_literature import rows

from nasneurn.analysis.literature import beside_literature, differences_told
from nasneurn.domains import digits, load_suite
from nasneurn.domains.inventory import take_inventory
from nasneurn.domains.prepare import prepare
from nasneurn.domains.syn import FILES
from nasneurn.errors import InputError


@pytest.fixture
def released(tmp_path):
    """The two files as they were released, with few images, and what is in them."""
    folder = tmp_path / "SynthDigits"
    folder.mkdir()
    content = {}
    for split, n in (("train", 30), ("test", 20)):
        images = np.random.default_rng(n).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        labels = np.arange(n) % 10
        matlab = {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None].astype(np.uint8)}
        savemat(folder / FILES[split], matlab)
        content[split] = images, labels
    return folder, content


def test_the_released_files_become_a_domain(released, tmp_path) -> None:
    folder, content = released
    write_suite(tmp_path)
    written = prepare(["syn"], data_dir=tmp_path, images=folder)
    assert [path.name for path in written] == ["syn_train.npz", "syn_test.npz"]
    suite = load_suite("digits-resized+syn", data_dir=tmp_path)
    assert suite.domains == (*digits.DOMAINS, "syn")
    for split, (images, labels) in content.items():
        found = suite.images("syn", split)
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.labels, labels)
    assert "syn" not in load_suite("digits-resized", data_dir=tmp_path).domains
    shifted = load_suite("digits+syn+shifts", data_dir=tmp_path)
    assert any(name.startswith("syn~") for name in shifted.domains)


@pytest.mark.parametrize("suite", ["digits", "digits-resized"])
def test_the_other_domains_are_those_of_the_suite_without_it(suite, released, tmp_path) -> None:
    write_suite(tmp_path, mnist=(28, 28))
    prepare(["syn"], data_dir=tmp_path, images=released[0])
    plain, more = (load_suite(f"{suite}{end}", data_dir=tmp_path) for end in ("", "+syn"))
    for domain in plain.domains:
        assert plain.digest(domain, "test") == more.digest(domain, "test")
        ours, others = (one.images(domain, "train").images for one in (plain, more))
        np.testing.assert_array_equal(ours, others)


def test_folders_of_images(tmp_path) -> None:
    for split in digits.SPLITS:
        for digit in range(10):
            folder = tmp_path / "syn" / split / str(digit)
            folder.mkdir(parents=True)
            for shade in (10, 200):
                Image.new("RGB", (40, 40), (shade, digit, 0)).save(folder / f"{shade}.png")
    prepare(["syn"], data_dir=tmp_path, images=tmp_path / "syn")
    for split in digits.SPLITS:
        found = digits.read_pack(digits.pack_file(tmp_path, "syn", split))
        assert found.images.shape == (20, 32, 32, 3)
        np.testing.assert_array_equal(found.images[:, 0, 0, 1], found.labels)
        np.testing.assert_array_equal(found.labels, np.repeat(np.arange(10), 2))


def test_a_ten_is_a_zero(released, tmp_path) -> None:
    folder, _ = released
    images = np.zeros((32, 32, 3, 3), dtype=np.uint8)
    savemat(folder / FILES["train"], {"X": images, "y": np.array([[10], [0], [9]])})
    prepare(["syn"], data_dir=tmp_path, images=folder)
    assert digits.read_labels(tmp_path / "syn_train.npz").tolist() == [0, 0, 9]


IMAGES = np.zeros((32, 32, 3, 3), dtype=np.uint8)
MALFORMED = {
    "no images": ({"y": np.zeros((3, 1))}, "no array 'X'"),
    "no labels": ({"X": IMAGES}, "no array 'y'"),
    "images first": (
        {"X": IMAGES.transpose(3, 0, 1, 2), "y": np.zeros((3, 1))},
        r"shape \(3, 32, 32, 3\); it must be uint8 \(H, W, 3, N\)",
    ),
    "floats": ({"X": IMAGES / 1.0, "y": np.zeros((3, 1))}, "X is float64"),
    "too few labels": ({"X": IMAGES, "y": np.zeros((2, 1))}, "3 images but 2 labels"),
    "label 11": ({"X": IMAGES, "y": np.array([[1], [11], [2]])}, "label 11; labels must be 0 to 9"),
    "label nan": ({"X": IMAGES, "y": np.array([[1], [np.nan], [2]])}, "label nan"),
    "half": ({"X": IMAGES, "y": np.array([[1], [0.5], [2]])}, "label 0.5"),
    "words": ({"X": IMAGES, "y": np.array(["a", "b", "c"])}, "label a"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_named(case, released, tmp_path) -> None:
    arrays, told = MALFORMED[case]
    savemat(released[0] / FILES["train"], arrays)
    with pytest.raises(InputError, match=told) as error:
        prepare(["syn"], data_dir=tmp_path, images=released[0])
    assert FILES["train"] in str(error.value)
    assert not (tmp_path / "syn_train.npz").exists()


def test_damaged_and_missing_files(released, tmp_path) -> None:
    folder, _ = released
    whole = (folder / FILES["test"]).read_bytes()
    (folder / FILES["test"]).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"{FILES['test']}: not a whole MATLAB file"):
        prepare(["syn"], data_dir=tmp_path, images=folder)
    (folder / FILES["test"]).unlink()
    with pytest.raises(InputError, match=f"holds neither {FILES['test']} nor a folder test"):
        prepare(["syn"], data_dir=tmp_path, images=folder)
    with pytest.raises(InputError, match="name the folder that has it with --images"):
        prepare(["syn"], data_dir=tmp_path, force=True)
    (folder / "test" / "0").mkdir(parents=True)
    with pytest.raises(InputError, match="0: holds no images"):
        prepare(["syn"], data_dir=tmp_path, images=folder)


def test_it_is_listed_where_it_was_prepared(released, tmp_path) -> None:
    write_suite(tmp_path)
    assert "syn" not in [entry.domain for entry in take_inventory(data_dir=tmp_path)]
    told = take_inventory("digits+syn", data_dir=tmp_path)[-1].problem
    assert told == "missing: nasneurn data prepare syn --images FOLDER"
    with pytest.raises(InputError, match="nasneurn data prepare syn --images FOLDER"):
        load_suite("digits+syn", data_dir=tmp_path).labels("syn", "test")
    prepare(["syn"], data_dir=tmp_path, images=released[0])
    (entry,) = [one for one in take_inventory(data_dir=tmp_path) if one.domain == "syn"]
    assert (entry.suite, entry.train, entry.test, entry.problem) == ("digits+syn", 30, 20, None)


def test_its_accuracies_stand_in_the_literatures_table() -> None:
    ours = rows()
    assert "SYN is missing" in differences_told(beside_literature(ours))
    of_syn = ours[ours["target"] == "svhn"].assign(target="syn", accuracy=0.4)
    table = beside_literature(pd.concat([ours, of_syn]))
    here = table[table["by"] == "here"]
    assert here["syn"].tolist() == [40.0, 40.0]
    assert "SYN" not in differences_told(table)
    without = beside_literature(ours)
    assert here["mean"].tolist() == without.loc[without["by"] == "here", "mean"].tolist()


def test_the_command_needs_a_folder(monkeypatch, capfd, tmp_path) -> None:
    told = refusal(monkeypatch, capfd, "data", "prepare", "syn", "--data-dir", tmp_path)
    assert told.startswith("nasneurn: syn is not downloaded: name the folder that has it")
