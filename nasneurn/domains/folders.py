"""A suite from a folder of images: ``ROOT/<domain>/<class>/<image files>``.

This is the layout of PACS (Li et al., Deeper, Broader and Artier Domain Generalization, ICCV 2017)
and of DomainNet (Peng et al., ICCV 2019). Images are decoded once, to a memory-mapped cache of
``size * size * 3`` bytes an image, and decoded again only when a file's name, size or time changes.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasneurn.domains.suite import Domain, Split, Suite
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.paths import cache_dir
from nasneurn.progress import meter

SIZE = 224
TEST_FRACTION = 0.2
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

#: Raise it when images are decoded or split otherwise: it is part of each cache entry's name.
CACHE_VERSION = 1
#: Images decoded before they are written; it bounds the memory.
DECODED_AT_ONCE = 256
#: Pixels of grey images of more than 8 bits go from 0 to 65535.
DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class ImageFile:
    """One image of a domain; ``path`` is relative to the root, with forward slashes."""

    path: str
    label: int
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Tree:
    """What lies in a root: its classes and, for each domain, its images in order of path."""

    root: Path
    classes: tuple[str, ...]
    domains: dict[str, tuple[ImageFile, ...]]


def _folders(parent: Path) -> list[Path]:
    return sorted(
        path for path in parent.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def scan(root: Path) -> Tree:
    """List a root's domains, classes and images; no image is opened.

    Raises:
        InputError: not a folder, fewer than two domains, classes that differ between domains, or a
            class with fewer than two images (train and test need one each).
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; it must hold <domain>/<class>/<image files>")
    try:
        return _scan(root)
    except OSError as error:
        raise InputError(f"{error.filename or root}: cannot be read ({error.strerror})") from error


def _scan(root: Path) -> Tree:
    domains = _folders(root)
    if len(domains) < 2:
        found = domains[0].name if domains else "none"
        raise InputError(
            f"{root}: holds {len(domains)} domains ({found}); it must hold at least 2, as "
            "<domain>/<class>/<image files>"
        )
    classes = {domain.name: [folder.name for folder in _folders(domain)] for domain in domains}
    everywhere = sorted({name for names in classes.values() for name in names})
    for domain in domains:
        if not classes[domain.name]:
            raise InputError(
                f"{domain}: holds no class folders; it must hold <class>/<image files>"
            )
        for name in everywhere:
            if name not in classes[domain.name]:
                other = next(d for d, names in classes.items() if name in names)
                raise InputError(
                    f"{domain}: no class {name!r}, which the domain {other!r} has; "
                    "every domain must have the same classes"
                )
    listed = {
        domain.name: tuple(
            image
            for label, name in enumerate(everywhere)
            for image in _images(root, domain / name, label)
        )
        for domain in domains
    }
    return Tree(root, tuple(everywhere), listed)


def _images(root: Path, folder: Path, label: int) -> list[ImageFile]:
    images = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        hidden = entry.name.startswith(".")
        if not hidden and entry.name.lower().endswith(SUFFIXES) and entry.is_file():
            stat = entry.stat()
            path = Path(entry.path).relative_to(root).as_posix()
            images.append(ImageFile(path, label, stat.st_size, stat.st_mtime_ns))
    if len(images) < 2:
        raise InputError(
            f"{folder}: holds {len(images)} images ({' '.join(SUFFIXES)}); a class needs at least "
            "2, one to train and one to test on"
        )
    return images


def divide(images: Sequence[ImageFile]) -> dict[str, list[ImageFile]]:
    """Divide a domain's images into "train" and "test", a fifth of each class for the test.

    The test images of a class are those whose paths have the lowest hashes, so that the split is
    the same on every machine, and an added image moves at most one other.
    """
    by_class: dict[int, list[ImageFile]] = {}
    for image in images:
        by_class.setdefault(image.label, []).append(image)
    test: set[str] = set()
    for members in by_class.values():
        count = min(max(round(TEST_FRACTION * len(members)), 1), len(members) - 1)
        ranked = sorted(members, key=lambda m: hashlib.sha256(m.path.encode()).digest())
        test.update(member.path for member in ranked[:count])
    return {
        "train": [image for image in images if image.path not in test],
        "test": [image for image in images if image.path in test],
    }


def decode(path: Path, size: int) -> npt.NDArray[np.uint8]:
    """Read one image file as uint8 (``size``, ``size``, 3).

    The central square is resized, bilinear and antialiased: the shorter side becomes ``size`` and
    what the longer has beyond it is cut. Grey is repeated, what is transparent is laid on white,
    the camera's orientation is heeded, and of an animation the first frame is taken.

    Raises:
        InputError: the file is no image, is cut off, or has a kind of pixel that is not handled.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (size, size))  # lets JPEG decode at a half or less, when enough
            image = ImageOps.exif_transpose(opened)
            if image.mode in DEEP_GREY:
                shades = np.asarray(image, dtype=np.float64) / 257
                image = Image.fromarray(np.clip(np.rint(shades), 0, 255).astype(np.uint8))
            elif image.mode == "F":
                raise InputError(f"{path}: pixels are 32-bit floats; save it with 8 bits a channel")
            if "A" in image.getbands() or "transparency" in image.info:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            image = image.convert("RGB")
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            resized = image.resize(
                (size, size),
                Image.Resampling.BILINEAR,
                box=(left, top, left + side, top + side),
            )
    except InputError:
        raise
    # Pillow's readers raise SyntaxError for a broken PNG and struct.error for a broken TIFF.
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{path}: not a readable image ({reason}); replace or remove it"
        ) from error
    return np.asarray(resized)


def _cache_file(tree: Tree, domain: str, split: str, size: int) -> Path:
    """Where a split is kept: by root, and by every name, size and time of the domain's files."""
    root = str(tree.root.resolve())
    place = f"{tree.root.resolve().name}-{hashlib.sha256(root.encode()).hexdigest()[:12]}"
    listing = [(i.path, i.label, i.bytes, i.modified_ns) for i in tree.domains[domain]]
    key = json.dumps([CACHE_VERSION, listing])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return cache_dir() / "folders" / place / f"{domain}-{split}-{size}-{digest}.npy"


def _open(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8] | None:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = images.shape == shape and images.dtype == np.uint8
    return images if whole else None


def _decode_all(tree: Tree, images: Sequence[ImageFile], path: Path, size: int, what: str) -> None:
    """Decode images to the npy file ``path``; in threads, as Pillow frees the interpreter's lock.

    Written through a file and not through a map: on a full disk a map ends the process.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(images), size, size, 3)}
    files = [tree.root / image.path for image in images]
    with written_atomically(path) as draft, draft.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        with (
            ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
            meter(what, len(images)) as progress,
        ):
            for start in range(0, len(files), DECODED_AT_ONCE):
                for pixels in pool.map(
                    lambda file: decode(file, size), files[start : start + DECODED_AT_ONCE]
                ):
                    out.write(pixels.tobytes())
                    progress.advance()


def suite(tree: Tree, size: int = SIZE) -> Suite:
    """Describe the suite of a scanned folder; images are decoded when a domain is loaded.

    Loading raises InputError for an image that cannot be read.
    """

    def read(domain: str) -> Domain:
        splits = {}
        for split, images in divide(tree.domains[domain]).items():
            path = _cache_file(tree, domain, split, size)
            shape = (len(images), size, size, 3)
            pixels = _open(path, shape)
            if pixels is None:
                _decode_all(tree, images, path, size, f"decoding {domain} ({split})")
                _remove_stale(path, f"{domain}-{split}-{size}-")
                pixels = _open(path, shape)
                if pixels is None:
                    raise InputError(f"{path}: the cache cannot be read back; is the disk full?")
            labels = np.array([image.label for image in images], dtype=np.int64)
            splits[split] = Split(pixels, labels)
        return Domain(domain, splits["train"], splits["test"])

    content = json.dumps(
        [(image.path, image.bytes) for images in tree.domains.values() for image in images]
    )
    name = tree.root.resolve().name
    return Suite(name, tree.classes, tuple(tree.domains), size, content, read)


def _remove_stale(current: Path, prefix: str) -> None:
    """Remove what an older state of the same files left; on Windows one in use stays."""
    for path in current.parent.iterdir():
        digest_only = path.name.removeprefix(prefix).count("-") == 0
        if path.name.startswith(prefix) and digest_only and path != current:
            with suppress(OSError):
                path.unlink()
