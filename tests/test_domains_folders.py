import os

import numpy as np
import pytest
from PIL import Image

from nasneurn.domains import folders, load_suite
from nasneurn.errors import InputError

COLOURS = {"cat": (200, 40, 40), "dog": (30, 160, 60)}


def save(path, colour=(200, 40, 40), size=(40, 30), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **options)


@pytest.fixture
def root(tmp_path, fresh_cache):
    """Two domains of two classes of ten images, each image of its class's colour."""
    folder = tmp_path / "pets"
    for domain in ("photo", "sketch"):
        for name, colour in COLOURS.items():
            for row in range(10):
                suffix = ("png", "jpg", "JPEG", "bmp")[row % 4]
                save(folder / domain / name / f"{row}.{suffix}", colour, quality=95)
    return folder


def test_a_folder_is_a_suite(root):
    suite = load_suite(root, size=16)
    assert (suite.name, suite.classes, suite.domains) == (
        "pets",
        ("cat", "dog"),
        ("photo", "sketch"),
    )
    domain = suite.load("sketch")
    assert (len(domain.train), len(domain.test)) == (16, 4)
    for split in (domain.train, domain.test):
        assert split.images.shape == (len(split), 16, 16, 3)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        assert isinstance(split.images, np.memmap)
        for image, label in zip(split.images, split.labels, strict=True):
            expected = COLOURS[suite.classes[label]]
            assert np.abs(image.astype(int) - expected).max() <= 3
    assert np.bincount(domain.test.labels).tolist() == [2, 2]


def test_the_default_size_is_224(root):
    assert load_suite(str(root)).load("photo").test.images.shape == (4, 224, 224, 3)


def test_the_split_follows_the_paths_alone(root, tmp_path):
    before = folders.divide(folders.scan(root).domains["photo"])
    moved = tmp_path / "elsewhere" / "pets"
    moved.parent.mkdir()
    root.rename(moved)
    after = folders.divide(folders.scan(moved).domains["photo"])
    assert [i.path for i in before["test"]] == [i.path for i in after["test"]]
    save(moved / "photo" / "cat" / "new.png")
    grown = folders.divide(folders.scan(moved).domains["photo"])
    was, now = ({i.path for i in parts["test"]} for parts in (after, grown))
    assert len(was ^ now) <= 2
    assert not {i.path for i in grown["train"]} & now


def test_images_are_decoded_once_and_again_when_they_change(root, monkeypatch):
    load_suite(root, size=16).load("photo")
    load_suite(root, size=16).load("sketch")
    decoded = []
    real = folders.decode
    monkeypatch.setattr(folders, "decode", lambda p, s: decoded.append(p.name) or real(p, s))

    def reload():
        tree = folders.scan(root)  # as a new process does
        return {name: folders.suite(tree, 16).load(name) for name in ("photo", "sketch")}

    reload()
    assert decoded == []
    changed = root / "photo" / "cat" / "0.png"
    save(changed, (0, 0, 250))
    os.utime(changed, ns=(1, 1))
    domain = reload()["photo"]
    assert len(decoded) == 20  # the domain's, and not the other's
    blue = [image[8, 8, 2] > 200 for split in (domain.train, domain.test) for image in split.images]
    assert sum(blue) == 1
    assert load_suite(root, size=16).load("photo").train is not None
    # Nothing of the older state stays behind, and no draft.
    kept = sorted(path.name.rpartition("-")[0] for path in (root.parent / "cache").rglob("*.*"))
    assert kept == ["photo-test-16", "photo-train-16", "sketch-test-16", "sketch-train-16"]


def test_a_damaged_cache_entry_is_decoded_again(root):
    tree = folders.scan(root)
    first = folders.suite(tree, 16).load("photo")
    wanted = np.array(first.train.images)
    path = folders._cache_file(tree, "photo", "train", 16)
    del first
    for content in (b"", path.read_bytes()[:-1], b"garbage"):
        path.write_bytes(content)
        again = folders.suite(tree, 16).load("photo")
        np.testing.assert_array_equal(again.train.images, wanted)
        del again


KINDS = {
    "grey.png": {"mode": "L"},
    "palette.png": {"mode": "P"},
    "bilevel.png": {"mode": "1"},
    "alpha.png": {"mode": "RGBA"},
    "grey_alpha.png": {"mode": "LA"},
    "cmyk.jpg": {"mode": "CMYK"},
    "grey.jpg": {"mode": "L"},
    "animated.gif": {"mode": "P"},
    "lossless.webp": {"mode": "RGB", "lossless": True},
    "plain.tiff": {"mode": "RGB"},
    "plain.ppm": {"mode": "RGB"},
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0)])
def test_every_kind_of_file_is_decoded_to_rgb(tmp_path, name, colour):
    save(tmp_path / name, colour, **KINDS[name])
    image = folders.decode(tmp_path / name, 16)
    assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
    assert np.abs(image.astype(int) - colour).max() <= 2


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert folders.decode(tmp_path / "clear.png", 8).min() == 255
    palette = Image.new("P", (20, 20), 3)
    palette.putpalette([0, 0, 0] * 256)
    palette.save(tmp_path / "palette.png", transparency=3)
    assert folders.decode(tmp_path / "palette.png", 8).min() == 255


def test_deep_grey_is_scaled_and_not_cut(tmp_path):
    shades = np.linspace(0, 65535, 16 * 16).reshape(16, 16).astype(np.uint16)
    Image.fromarray(shades).save(tmp_path / "deep.png")
    decoded = folders.decode(tmp_path / "deep.png", 16)
    np.testing.assert_allclose(decoded[..., 0], shades / 257, atol=1)
    Image.fromarray(shades.astype(np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(InputError, match=r"float.tiff: pixels are 32-bit floats"):
        folders.decode(tmp_path / "float.tiff", 16)


def test_the_central_square_is_kept(tmp_path):
    """Thirds of red, green, blue: of a wide image the middle one stays."""
    for size, axis in (((90, 30), 1), ((30, 90), 0)):
        pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
        for third in range(3):
            where = [slice(None), slice(None)]
            where[axis] = slice(30 * third, 30 * (third + 1))
            pixels[(*where, third)] = 255
        Image.fromarray(pixels).save(tmp_path / "wide.png")
        decoded = folders.decode(tmp_path / "wide.png", 10)
        assert np.all(decoded[1:-1, 1:-1] == (0, 255, 0))
        # The filter of the outermost pixels reaches over the cut, as if cut after resizing.
        assert decoded[..., 1].min() > 200


def test_the_cameras_orientation_is_heeded(tmp_path):
    pixels = np.zeros((20, 20, 3), dtype=np.uint8)
    pixels[:10] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    decoded = folders.decode(tmp_path / "turned.png", 8)
    assert decoded[0].max() < 10
    assert decoded[-1].min() > 245


def cut_off(path):
    path.write_bytes(path.read_bytes()[:80])


def empty(path):
    path.write_bytes(b"")


def other_text(path):
    path.write_text("<html>404 not found</html>")


@pytest.mark.parametrize("name", ["0.png", "1.jpg", "3.bmp"])
@pytest.mark.parametrize("damage", [cut_off, empty, other_text])
def test_an_unreadable_image_is_named(root, name, damage):
    path = root / "sketch" / "dog" / name
    damage(path)
    with pytest.raises(InputError, match=r"not a readable image") as raised:
        load_suite(root, size=16).load("sketch")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    left = [path.name for path in (root.parent / "cache").rglob("*.npy")]
    assert len(left) < 2
    assert not any(name.startswith(".") for name in left)  # no draft of the split that failed
    assert len(load_suite(root, size=16).load("photo").train) == 16  # the other domain is sound


def test_a_class_that_one_domain_lacks(root):
    for domain, other in (("photo", "sketch"), ("sketch", "photo")):
        extra = root / other / "cow"
        save(extra / "0.png")
        save(extra / "1.png")
        with pytest.raises(InputError, match=rf"{domain}: no class 'cow', .* domain '{other}' has"):
            load_suite(root)
        for path in extra.iterdir():
            path.unlink()
        extra.rmdir()


def test_too_few_images_domains_or_classes(root, tmp_path):
    for path in sorted((root / "photo" / "cat").iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match=r"photo/cat: holds 1 images .* at least 2"):
        load_suite(root)
    save(tmp_path / "one" / "photo" / "cat" / "0.png")
    with pytest.raises(InputError, match=r"one: holds 1 domains \(photo\); .* at least 2"):
        load_suite(tmp_path / "one")
    (tmp_path / "bare" / "a").mkdir(parents=True)
    (tmp_path / "bare" / "b").mkdir()
    with pytest.raises(InputError, match=r"bare/a: holds no class folders"):
        load_suite(tmp_path / "bare")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds 0 domains"):
        load_suite(tmp_path / "empty")


def test_other_files_and_hidden_ones_are_left_out(root):
    (root / "photo" / "cat" / "notes.txt").write_text("not an image")
    (root / "photo" / "cat" / "._0.png").write_bytes(b"a remnant of a Mac")
    (root / ".git").mkdir()
    (root / "readme.md").write_text("")
    assert len(load_suite(root, size=16).load("photo").train) == 16


def test_two_sizes_live_side_by_side(root):
    small, large = load_suite(root, size=8), load_suite(root, size=12)
    assert small.load("photo").test.images.shape[1] == 8
    assert large.load("photo").test.images.shape[1] == 12
    assert len(list((root.parent / "cache").rglob("photo-test-*.npy"))) == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read(root):
    (root / "photo").chmod(0)
    try:
        with pytest.raises(InputError, match=r"photo: cannot be read"):
            load_suite(root)
    finally:
        (root / "photo").chmod(0o755)
