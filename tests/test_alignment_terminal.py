"""What the terminal shows, of any names and in any encoding."""

import io
import os
import subprocess
import sys

import pytest
from nasty_names import NAMES, nasty_zoo
from rich.console import Console

from alignment import Options, compute
from alignment.terminal import pair_view, representatives_view

CODE = """
from nasty_names import nasty_zoo
from alignment import Options, compute
from alignment.terminal import console, pair_view, representatives_view
zoo = nasty_zoo(3)
console().print(representatives_view(compute(zoo, Options("layer", representatives=3))))
console().print(pair_view([zoo[0], zoo[6]], Options("layer")))
console().print(pair_view([zoo[10], zoo[10]], Options("layer")))
"""


def shown(view: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(view)
    return console.file.getvalue()


def test_names_are_no_markup() -> None:
    outcome = compute(nasty_zoo(), Options("layer", representatives=3), with_variants=False)
    text = shown(representatives_view(outcome))
    for name in NAMES:
        assert name in text
    assert outcome.options.title() in text
    for name in NAMES[1:]:
        one, other = nasty_zoo()[0], nasty_zoo()[NAMES.index(name)]
        header = shown(pair_view([one, other], Options("layer"))).splitlines()[0]
        assert one.name in header
        assert name in header


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_encodings_that_lack_signs(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": os.path.dirname(__file__)},
    )
    text = done.stdout.decode(encoding)
    assert "$x_1$ and $" in text
    plain = {"ascii": ("?? ? ?", "."), "latin-1": ("?? ü ?", "·"), "utf-8": ("模型 ü 🙂", "·")}
    for sign in plain[encoding]:
        assert sign in text
