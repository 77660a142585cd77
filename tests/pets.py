"""A small folder suite: two domains of two classes of ten images, and what is read of it."""

import os

import numpy as np
from PIL import Image

from nasneurn.domains import folders, listing, load_suite, loading, pixels
from nasneurn.domains.decoding import decode, read_bytes

PARTS = ("train", "test", "all")
COLOURS = {"cat": (200, 40, 40), "dog": (30, 160, 60)}


def save(path, colour=(200, 40, 40), size=(40, 30), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **options)


def make_pets(folder):
    """Write the images, each of its class's colour."""
    for domain in ("photo", "sketch"):
        for name, colour in COLOURS.items():
            for row in range(10):
                suffix = ("png", "jpg", "JPEG", "bmp")[row % 4]
                save(folder / domain / name / f"{row}.{suffix}", colour, quality=95)
    return folder


def chosen_for_the_test(root, domain):
    """The paths of the images that the scan of a root chooses for the test."""
    files = listing.scan(root).domains[domain]
    paths = files.paths()
    return {paths[row] for row in np.flatnonzero(folders.test_mask(files, paths))}


def fresh(root, size=16, splits=None):
    """The suite as a new process finds it."""
    loading._suites.clear()
    loading._listings.clear()
    loading._opened.clear()
    return load_suite(root, size=size, splits=splits)


def note_decoded(monkeypatch):
    """The names of the files that are decoded from now on."""
    names = []

    def noted(path, size, data=None):
        names.append(os.path.basename(path))
        return decode(path, size, data)

    monkeypatch.setattr(folders, "decode", noted)
    monkeypatch.setattr(pixels, "decode", noted)
    return names


def note_hashed(monkeypatch):
    """The names of the files that are read for their hash from now on."""
    names = []

    def noted(path):
        names.append(os.path.basename(path))
        return read_bytes(path)

    monkeypatch.setattr(folders, "read_bytes", noted)
    return names
