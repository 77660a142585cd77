import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasneurn.domains import Split, digits, load_suite
from nasneurn.errors import InputError


def write_pack(folder, name="usps_train", **arrays):
    """Write a sound pack of 20 images, or with some arrays replaced (None: left out)."""
    random = np.random.default_rng(0)
    sound = {
        "images": random.integers(0, 256, (20, 16, 16), dtype=np.uint8),
        "labels": np.arange(20) % 10,
    }
    kept = {key: value for key, value in (sound | arrays).items() if value is not None}
    path = folder / f"{name}.npz"
    np.savez_compressed(path, **kept)
    return path


def write_suite(folder, **shapes):
    for domain in digits.DOMAINS:
        for split in digits.SPLITS:
            shape = shapes.get(domain, (16, 16))
            images = np.random.default_rng(1).integers(0, 256, (20, *shape), dtype=np.uint8)
            write_pack(folder, f"{domain}_{split}", images=images)


class RunsCode:
    def __reduce__(self):
        return (print, ("pickled code has run",))


def test_a_header_that_promises_more_than_there_is_is_not_believed(tmp_path):
    path = write_pack(tmp_path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["images.npy"] = parts["images.npy"].replace(b"(20, 16, 16)", b"(90, 16, 16)")
    parts["labels.npy"] = parts["labels.npy"].replace(b"(20,)", b"(90,)")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="has 5120 bytes of values, must have 23040"):
        digits.read_headers(path)


MALFORMED = {
    "label 10": ({"labels": np.arange(20) % 11}, "label 10 in row 10; labels must be 0 to 9"),
    "label -1": ({"labels": np.arange(20) % 10 - 1}, "label -1 in row 0; labels must be 0 to 9"),
    "float labels": ({"labels": np.zeros(20)}, "labels are float64; .* whole numbers"),
    "column of labels": ({"labels": np.zeros((20, 1), int)}, r"labels have shape \(20, 1\)"),
    "float images": ({"images": np.zeros((20, 16, 16), np.float32)}, "float32; they must be uint8"),
    "flat images": (
        {"images": np.zeros((20, 256), np.uint8)},
        r"shape \(20, 256\); .* \(N, H, W\)",
    ),
    "one channel": ({"images": np.zeros((20, 8, 8, 1), np.uint8)}, r"shape \(20, 8, 8, 1\)"),
    "channels first": ({"images": np.zeros((20, 3, 8, 8), np.uint8)}, r"shape \(20, 3, 8, 8\)"),
    "no pixels": ({"images": np.zeros((20, 0, 8), np.uint8)}, r"shape \(20, 0, 8\)"),
    "more images": ({"images": np.zeros((21, 8, 8), np.uint8)}, "21 images but 20 labels"),
    "empty": ({"images": np.zeros((0, 8, 8), np.uint8), "labels": np.zeros(0, int)}, "no images"),
    "no labels": ({"labels": None}, "no array 'labels' .found: images.; it needs images, labels"),
    "no images": ({"images": None}, "no array 'images'"),
    "objects": ({"images": np.array([RunsCode()] * 20)}, "images are object; they must be uint8"),
    "text labels": ({"labels": np.array(["7"] * 20)}, "labels are <U1"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_pack_is_one_clear_line(tmp_path, case, capfd):
    arrays, message = MALFORMED[case]
    path = write_pack(tmp_path, **arrays)
    with pytest.raises(InputError, match=message) as raised:
        digits.read_pack(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    assert "pickled code" not in capfd.readouterr().out


def test_pickled_labels_are_refused_unread(tmp_path, capfd):
    path = write_pack(tmp_path, labels=np.array([RunsCode()] * 20, dtype=object))
    with pytest.raises(InputError, match="labels are object"):
        digits.read_pack(path)
    path.write_bytes(pickle.dumps(RunsCode()))
    with pytest.raises(InputError, match="not a whole npz file"):
        digits.read_pack(path)
    assert "pickled code" not in capfd.readouterr().out


def test_missing_files_say_how_to_make_them(tmp_path):
    with pytest.raises(InputError, match=r"svhn_train.npz: no such file; .* data prepare svhn$"):
        load_suite("digits", data_dir=tmp_path).load("svhn")


def test_a_file_that_is_no_npz(tmp_path):
    for content in (b"", b"PK", b"<html>404</html>"):
        path = tmp_path / "usps_train.npz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"usps_train.npz: not a whole npz file"):
            digits.read_pack(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x09\x00")
    with pytest.raises(InputError, match="not a whole npz file"):
        digits.read_pack(path)
    np.save(tmp_path / "plain.npy", np.zeros(3))
    with pytest.raises(InputError, match="not a whole npz file"):
        digits.read_pack(tmp_path / "plain.npy")


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.floats(0, 0.999), flip=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_any_damage_is_an_input_error_or_harmless(tmp_path, cut, flip, bit):
    """A cut file never loads; a flipped bit gives the same data or the error, never another one."""
    path = write_pack(tmp_path)
    whole = path.read_bytes()
    sound = digits.read_pack(path)
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(InputError):
        digits.read_pack(path)
    damaged = bytearray(whole)
    damaged[int(flip * len(whole))] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        read = digits.read_pack(path)
    except InputError:
        return
    assert np.array_equal(read.images, sound.images)
    assert np.array_equal(read.labels, sound.labels)


@pytest.mark.parametrize("shape", [(28, 28), (16, 16), (32, 32, 3), (20, 30), (64, 48, 3)])
@pytest.mark.parametrize("size", [None, 48])
def test_every_shape_is_brought_to_size(tmp_path, shape, size):
    write_suite(tmp_path, svhn=shape)
    domain = load_suite("digits", data_dir=tmp_path, size=size).load("svhn")
    for split in (domain.train, domain.test):
        assert isinstance(split, Split)
        assert split.images.shape == (20, size or 32, size or 32, 3)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)


def test_the_rules_of_bringing_to_size():
    random = np.random.default_rng(2)
    mnist = random.integers(0, 256, (3, 28, 28), dtype=np.uint8)
    padded = digits.brought_to(32, mnist)
    np.testing.assert_array_equal(padded[:, 2:30, 2:30, 1], mnist)
    assert padded.sum() == 3 * mnist.sum(dtype=int)
    # A ramp stays a ramp when stretched, and ends where it ended.
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (1, 16, 1))
    stretched = digits.brought_to(32, ramp)[0, 5, :, 0].astype(int)
    assert np.all(np.diff(stretched) >= 0)
    assert (stretched[0], stretched[-1]) == (0, 150)
    # Shrinking averages: a fine chequerboard becomes grey, and not black or white.
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[None]
    assert np.ptp(digits.brought_to(32, board)[:, 2:-2, 2:-2].astype(int)) < 8


def test_labels_of_any_whole_type_become_int64(tmp_path):
    for dtype in (np.uint8, np.int16, np.int32, np.uint64):
        path = write_pack(tmp_path, labels=np.arange(20).astype(dtype) % 10)
        assert digits.read_pack(path).labels.dtype == np.int64


def test_the_folder_is_the_argument_then_the_environment_then_the_cache(
    tmp_path, fresh_cache, monkeypatch
):
    for place in ("given", "named"):
        (tmp_path / place).mkdir()
        write_suite(tmp_path / place)
    monkeypatch.delenv("NASNEURN_DATA", raising=False)
    with pytest.raises(InputError, match=str(fresh_cache / "data")):
        load_suite("digits").load("usps")
    monkeypatch.setenv("NASNEURN_DATA", str(tmp_path / "named"))
    named = load_suite("digits").images("usps", "train")
    assert load_suite("digits", data_dir=tmp_path / "given").images("usps", "train") is not named
    assert load_suite("digits").images("usps", "train") is named


def test_a_part_needs_its_own_file_alone(tmp_path):
    write_suite(tmp_path)
    (tmp_path / "usps_train.npz").unlink()
    (tmp_path / "mnist_test.npz").write_bytes(b"damaged")
    suite = load_suite("digits", data_dir=tmp_path)
    assert len(suite.images("usps", "test")) == len(suite.labels("mnist", "train")) == 20
    assert suite.digest("usps", "test") == suite.digest("svhn", "test")
    for read in (suite.labels, suite.images, suite.digest):
        with pytest.raises(InputError, match=r"usps_train.npz: no such file; .* prepare usps"):
            read("usps", "train")
        with pytest.raises(InputError, match=r"mnist_test.npz: not a whole npz file"):
            read("mnist", "test")


def test_digits_are_never_tested_on_train_rows(tmp_path):
    """Train rows of MNIST-M are made from train rows of MNIST."""
    write_suite(tmp_path)
    suite = load_suite("digits", data_dir=tmp_path)
    assert suite.tested("mnistm", sources=["mnist"]) == "test"
    assert suite.tested("mnist", sources=["mnist"]) == "test"
    with pytest.raises(InputError, match=r"no part 'all' .* must be train or test"):
        suite.labels("mnistm", "all")


def test_digests_are_of_the_arrays_and_of_what_is_done_to_them(tmp_path, fresh_cache):
    write_suite(tmp_path, mnist=(28, 28))
    suite = load_suite("digits", data_dir=tmp_path)
    assert suite.known_digest("mnist", "train") is None
    before = suite.digest("mnist", "train")
    assert suite.known_digest("mnist", "train") == before
    assert load_suite("digits", data_dir=tmp_path, size=48).digest("mnist", "train") != before

    with np.load(tmp_path / "mnist_train.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    moved = tmp_path / "moved"
    moved.mkdir()
    np.savez(moved / "mnist_train.npz", images=images, labels=labels.astype(np.uint8))
    assert load_suite("digits", data_dir=moved).digest("mnist", "train") == before
    images[3, 4, 5] ^= 1
    write_pack(moved, "mnist_train", images=images, labels=labels)
    assert load_suite("digits", data_dir=moved).digest("mnist", "train") != before


def test_a_kept_hash_is_not_computed_again(tmp_path, fresh_cache, monkeypatch):
    write_suite(tmp_path)
    before = load_suite("digits", data_dir=tmp_path).digest("mnist", "train")
    (kept,) = (fresh_cache / "digits").iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(digits, "read_pack", lambda path: pytest.fail("read again"))
        assert load_suite("digits", data_dir=tmp_path).digest("mnist", "train") == before
    kept.write_bytes(b"damaged")
    assert load_suite("digits", data_dir=tmp_path).digest("mnist", "train") == before


def test_a_replaced_file_is_read_again(tmp_path):
    write_suite(tmp_path)
    load_suite("digits", data_dir=tmp_path).load("usps")
    write_pack(tmp_path, "usps_train", images=np.full((20, 16, 16), 7, np.uint8))
    assert load_suite("digits", data_dir=tmp_path).load("usps").train.images.max() == 7


@pytest.mark.real_data
class TestRealData:
    @pytest.fixture(scope="class")
    def suite(self):
        return load_suite("digits")

    @pytest.mark.slow
    def test_every_domain(self, suite, real_data_dir):
        counts = {
            "mnist": (60000, 10000),
            "mnistm": (20000, 9001),
            "svhn": (7000, 3000),
            "usps": (7291, 2007),
        }
        for name, expected in counts.items():
            domain = suite.load(name)
            assert (len(domain.train), len(domain.test)) == expected
            for split in (domain.train, domain.test):
                assert split.images.shape[1:] == (32, 32, 3)
                assert set(split.labels) == set(range(10))

    @pytest.mark.slow
    @pytest.mark.parametrize("split", ["train", "test"])
    def test_mnistm_is_made_from_the_mnist_row_as_it_is_padded_here(self, suite, split):
        plain = getattr(suite.load("mnist"), split)
        mixed = getattr(suite.load("mnistm"), split)
        np.testing.assert_array_equal(plain.labels[: len(mixed)], mixed.labels)
        own = edge_agreement(plain.images[:300] > 0, mixed.images[:300])
        stretched = digits.resize(plain.images[:300, 2:30, 2:30], 32)
        other = edge_agreement(np.roll(plain.images[:300] > 0, 1, axis=0), mixed.images[:300])
        assert own.mean() > 0.8
        assert other.mean() < 0.2
        assert np.mean(own > edge_agreement(stretched > 0, mixed.images[:300])) > 0.99


def edge_agreement(masks, images):
    """Correlate, row by row, the outlines of the masks with the edges of the images."""

    def edges(batch):
        batch = np.asarray(batch, dtype=np.float32)
        across = np.abs(np.diff(batch, axis=2))[:, :-1]
        down = np.abs(np.diff(batch, axis=1))[:, :, :-1]
        steps = np.hypot(across, down).max(axis=-1).reshape(len(batch), -1)
        return steps - steps.mean(axis=1, keepdims=True)

    a, b = edges(masks), edges(images)
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1) + 1e-9)
