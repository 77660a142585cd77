"""Suites of domains that share classes: built in, real digits, or a folder of images.

>>> from nasneurn.domains import load_suite, source_rows
>>> suite = load_suite("builtin")
>>> suite.domains
('optdigits', 'optdigits-m', 'print', 'street')
>>> suite.tested("print", sources=["optdigits"])
'test'
>>> fit, held_out = source_rows(suite.labels("optdigits", "train"), most=None, fraction=0.15)
>>> suite.images("optdigits", "train").images[fit].shape, len(held_out)
((1101, 32, 32, 3), 196)
"""

from nasneurn.domains.loading import SUITES, SuiteHandle, load_suite
from nasneurn.domains.pixels import FilePixels
from nasneurn.domains.source_rows import source_rows
from nasneurn.domains.suite import Domain, Part, Split, Suite, joined

__all__ = [
    "SUITES",
    "Domain",
    "FilePixels",
    "Part",
    "Split",
    "Suite",
    "SuiteHandle",
    "joined",
    "load_suite",
    "source_rows",
]
