"""The examples in docstrings, of the package that is installed."""

import doctest
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import pytest


def modules_with_examples() -> list[str]:
    names = []
    for package in ("alignment", "nasneurn", "search_spaces"):
        spec = find_spec(package)
        assert spec is not None
        found = [package]
        locations = list(spec.submodule_search_locations or ())
        found += [one.name for one in pkgutil.walk_packages(locations, f"{package}.")]
        for name in found:
            if name.endswith("__main__"):
                continue
            file = find_spec(name)
            assert file is not None
            assert file.origin is not None
            if ">>>" in Path(file.origin).read_text(encoding="utf-8"):
                names.append(name)
    return names


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_give_what_they_say(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed
