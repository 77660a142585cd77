import bz2
from urllib.error import URLError

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from nasneurn.domains import digits, downloading
from nasneurn.domains import prepare as preparing
from nasneurn.domains.prepare import prepare
from nasneurn.errors import InputError


@pytest.fixture
def mnist(tmp_path):
    """A folder with a small MNIST of two splits."""
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    for split, n in (("train", 40), ("test", 20)):
        images = np.zeros((n, 28, 28), dtype=np.uint8)
        images[:, 8:20, 8:20] = random.integers(0, 256, (n, 12, 12)) * (
            random.random((12, 12)) > 0.5
        )
        np.savez(folder / f"mnist_{split}.npz", images=images, labels=np.arange(n) % 10)
    return folder


@pytest.fixture
def photos(tmp_path):
    """Ten photos, each of one colour that tells which it is, and of its own size and format."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for row in range(10):
        suffix = ("png", "PNG")[row % 2]
        colour = (20 * row, 255 - 20 * row, 7)
        Image.new("RGB", (32 + row, 50 - row), colour).save(
            folder / f"{row}.{suffix}", format="PNG"
        )
    (folder / "notes.txt").write_text("not a photo")
    return folder


def test_mnistm_follows_the_recipe(mnist, photos):
    written = prepare(["mnistm"], data_dir=mnist, photos=photos)
    assert [path.name for path in written] == ["mnistm_train.npz", "mnistm_test.npz"]
    grounds = {}
    for split in digits.SPLITS:
        plain = digits.read_pack(mnist / f"mnist_{split}.npz")
        mixed = digits.read_pack(mnist / f"mnistm_{split}.npz")
        np.testing.assert_array_equal(plain.labels, mixed.labels)
        assert mixed.images.shape == (len(plain), 32, 32, 3)
        ink = np.zeros((len(plain), 32, 32, 1), dtype=bool)
        ink[:, 2:30, 2:30, 0] = plain.images > 0
        patches = np.where(ink, 255 - mixed.images, mixed.images)
        assert np.all(patches == patches[:, :1, :1])  # one colour each: |patch - digit| undone
        grounds[split] = {tuple(patch[0, 0]) for patch in patches}
    assert len(grounds["train"]) > 3
    assert not grounds["train"] & grounds["test"]


def test_mnistm_is_seeded(mnist, photos):
    prepare(["mnistm"], data_dir=mnist, photos=photos)
    path = mnist / "mnistm_train.npz"
    first = digits.read_pack(path).images
    prepare(["mnistm"], data_dir=mnist, photos=photos, force=True)
    np.testing.assert_array_equal(digits.read_pack(path).images, first)
    prepare(["mnistm"], data_dir=mnist, photos=photos, force=True, seed=1)
    assert not np.array_equal(digits.read_pack(path).images, first)


def test_what_exists_is_kept_without_force(mnist, photos):
    prepare(["mnistm"], data_dir=mnist, photos=photos)
    assert prepare(["mnistm", "mnist"], data_dir=mnist) == []
    (mnist / "mnistm_test.npz").unlink()
    written = prepare(["mnistm"], data_dir=mnist, photos=photos)
    assert [path.name for path in written] == ["mnistm_test.npz"]


def test_mnistm_says_what_it_lacks(mnist, photos, tmp_path):
    with pytest.raises(InputError, match="--photos"):
        prepare(["mnistm"], data_dir=mnist)
    with pytest.raises(InputError, match="no such folder"):
        prepare(["mnistm"], data_dir=mnist, photos=tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds 0 photos"):
        prepare(["mnistm"], data_dir=mnist, photos=mnist)
    with pytest.raises(InputError, match=r"mnist_train.npz: no such file; .* data prepare mnist"):
        prepare(["mnistm"], data_dir=tmp_path / "elsewhere", photos=photos)
    Image.new("RGB", (40, 31)).save(photos / "small.png")
    with pytest.raises(InputError, match=r"small.png: 40 x 31 pixels; no side may be below 32"):
        prepare(["mnistm"], data_dir=mnist, photos=photos)
    whole = (photos / "0.png").read_bytes()
    place = whole.index(b"IDAT")  # the pixels: of these the first ten bytes, and then no chunk
    damaged = whole[: place - 4] + bytes([0, 0, 0, 10]) + whole[place : place + 14] + b"\xff" * 40
    for broken in (b"no image", whole[:50], damaged):
        (photos / "small.png").write_bytes(broken)
        with pytest.raises(InputError, match=r"small.png: not a readable photo") as told:
            prepare(["mnistm"], data_dir=mnist, photos=photos)
        assert "\n" not in str(told.value)
    assert not list(mnist.glob("*mnistm*"))


@pytest.mark.parametrize("name", ["mnist", "svhn", "usps"])
@pytest.mark.parametrize(
    "failure",
    [URLError("Name or service not known"), TimeoutError("timed out"), EOFError()],
    ids=lambda failure: type(failure).__name__,
)
def test_no_network_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, name, failure):
    def fails(*args, **kwargs):
        raise failure

    monkeypatch.setattr(downloading, "urlopen", fails)
    monkeypatch.setattr(downloading, "PAUSE", 0)
    with pytest.raises(InputError, match=f"could not fetch {name} ") as raised:
        prepare([name], data_dir=tmp_path / "data")
    message = str(raised.value)
    assert "\n" not in message
    assert str(tmp_path / "data" / "raw") in message
    for file in preparing.SOURCES[name].files("train"):
        assert file.name in message
    assert list((tmp_path / "data").rglob("*")) in ([], [tmp_path / "data" / "raw"])


def test_the_raw_files_are_those_of_torchvisions_tables():
    for name, source in preparing.SOURCES.items():
        for split in digits.SPLITS:
            for file in source.files(split):
                assert f"{source.home}{file.name}" in file.urls, name
                assert len(file.md5) == 32


def test_raw_files_put_there_by_hand_are_used_if_their_sums_are_right(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    raw.mkdir()
    usps = torchvision.datasets.USPS
    sums = {}
    for split, n in (("train", 30), ("test", 10)):
        _, name, _ = usps.split_list[split]
        lines = [
            f"{row % 10 + 1} " + " ".join(f"{i + 1}:{row / 15 - 1:.4f}" for i in range(256))
            for row in range(n)
        ]
        content = bz2.compress("\n".join(lines).encode() + b"\n")
        (raw / name).write_bytes(content)
        sums[split] = content
    with pytest.raises(InputError, match=r"could not fetch usps \(usps.bz2 does not have the MD5"):
        prepare(["usps"], data_dir=tmp_path)

    import hashlib

    table = {
        split: [url, name, hashlib.md5(sums[split]).hexdigest()]
        for split, (url, name, _) in usps.split_list.items()
    }
    monkeypatch.setattr(usps, "split_list", table)
    written = prepare(["usps"], data_dir=tmp_path)
    assert [path.name for path in written] == ["usps_train.npz", "usps_test.npz"]
    train = digits.read_pack(written[0])
    assert train.images.shape == (30, 16, 16)
    np.testing.assert_array_equal(train.labels, np.arange(30) % 10)
    assert (train.images[0].max(), train.images[15].min()) == (0, 127)
    assert not list(tmp_path.glob(".download*"))


def save(path):
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return True


def test_svhn_is_turned_to_channels_last(tmp_path, monkeypatch, capsys):
    def fake(self, root, split):
        print("torchvision talks")
        self.data = np.arange(2 * 3 * 32 * 32, dtype=np.uint32).astype(np.uint8)
        self.data = self.data.reshape(2, 3, 32, 32)
        self.labels = np.array([0, 9])

    monkeypatch.setattr(torchvision.datasets.SVHN, "__init__", fake)
    monkeypatch.setattr(preparing, "fetch", lambda file, folder: save(folder / file.name))
    prepare(["svhn"], data_dir=tmp_path)
    assert capsys.readouterr().out == ""  # stdout is for results
    pack = digits.read_pack(tmp_path / "svhn_test.npz")
    assert pack.images.shape == (2, 32, 32, 3)
    assert pack.images[0, 0, :3, 0].tolist() == [0, 1, 2]


def test_an_unknown_name_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(InputError, match="cannot prepare 'svnh'; it must be one of mnist, mnistm"):
        prepare(["mnist", "svnh"], data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        prepare(["usps"], data_dir=tmp_path / "file" / "data")


@pytest.mark.slow
@pytest.mark.real_data
def test_on_real_photos_the_result_looks_like_the_released_mnistm(tmp_path, real_data_dir):
    photos = real_data_dir / "bsds500_photos"
    if not photos.is_dir():
        pytest.skip(f"{photos} is not there")
    for split in digits.SPLITS:
        plain = digits.read_pack(real_data_dir / f"mnist_{split}.npz")
        np.savez(
            tmp_path / f"mnist_{split}.npz", images=plain.images[:1500], labels=plain.labels[:1500]
        )
    prepare(["mnistm"], data_dir=tmp_path, photos=photos)
    ours = digits.read_pack(tmp_path / "mnistm_train.npz").images.astype(float)
    theirs = digits.read_pack(real_data_dir / "mnistm_train.npz").images[:1500].astype(float)
    for statistic in (np.mean, np.std):
        assert abs(statistic(ours) - statistic(theirs)) < 8
    same = np.abs(np.diff(ours, axis=2)).mean() / np.abs(np.diff(theirs, axis=2)).mean()
    assert 0.8 < same < 1.25
