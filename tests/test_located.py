"""Names that can be read before PyTorch is loaded: what is told of them is what they are."""

import inspect

import pytest

from nasneurn.algorithms import ALGORITHMS
from nasneurn.choices import Registry
from nasneurn.located import Located
from nasneurn.stems import STEMS


@pytest.mark.parametrize(
    ("registry", "name"), [(one, name) for one in (STEMS, ALGORITHMS) for name in one]
)
def test_options_told_are_those_of_the_maker(registry: Registry[object], name: str) -> None:
    located = registry.maker(name)
    assert isinstance(located, Located)
    theirs = {
        one.name: one.default
        for one in inspect.signature(located.maker).parameters.values()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
    told = registry.defaults(name)
    assert told == theirs
    assert list(map(type, told.values())) == list(map(type, theirs.values()))
    assert registry.create(name) is not None
