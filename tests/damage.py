"""Damage to files by a generator's draws: to their bytes, and to the values that they hold."""

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml

Draws = np.random.Generator

#: What a field may hold that no one meant. A function makes what must be fresh each time.
NASTY: list[Any] = [
    None, True, False, 0, 1, -1, 0.5, 10**22, -(10**22), 2**63, math.nan, math.inf, -math.inf,
    1e308, "", " ", "nan", "inf", "1", "01", "True", "[/nope]", "$x_1$", "\0", "é", "e\u0301",
    "../../x", "/dev/zero", "a" * 10_000, "\ud800", "=1+1", "a,b\n\"c", [], {}, [[]], [None],
    [1, "a"], {"": None}, {"name": "x"}, "2024-01-01", "!!python/object:os.system",
]  # fmt: skip


def deep(levels: int = 400) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def damaged(content: bytes, draws: Draws) -> bytes:
    """The bytes, damaged in some way that disks, editors and people have."""
    return BYTES[draws.integers(len(BYTES))](content, draws)


def _cut(content: bytes, draws: Draws) -> bytes:
    return content[: draws.integers(len(content) + 1)]


def _flipped(content: bytes, draws: Draws) -> bytes:
    changed = bytearray(content)
    for _ in range(draws.integers(1, 9) if changed else 0):
        changed[draws.integers(len(changed))] ^= 1 << int(draws.integers(8))
    return bytes(changed)


def _filled(content: bytes, draws: Draws) -> bytes:
    place, length = draws.integers(len(content) + 1), int(draws.integers(1, 64))
    with_what = [bytes(length), draws.bytes(length), b"\xff" * length][draws.integers(3)]
    return content[:place] + with_what + content[place:]


def _without(content: bytes, draws: Draws) -> bytes:
    start, end = sorted(draws.integers(len(content) + 1, size=2))
    return content[:start] + content[end:]


def _twice(content: bytes, draws: Draws) -> bytes:
    start, end = sorted(draws.integers(len(content) + 1, size=2))
    return content[:end] + content[start:]


BYTES: list[Callable[[bytes, Draws], bytes]] = [
    _cut, _flipped, _flipped, _filled, _without, _twice,
    lambda content, draws: b"\xef\xbb\xbf" + content,
    lambda content, draws: content.replace(b"\n", b"\r\n"),
    lambda content, draws: content.decode("latin-1").encode("utf-16"),
    lambda content, draws: b"",
    lambda content, draws: draws.bytes(int(draws.integers(1, 400))),
    lambda content, draws: b"[" * 3000 + content,
]  # fmt: skip


def changed(value: Any, draws: Draws) -> Any:
    """A copy of plain data with one to three values that are others, gone or more."""
    root = [copy.deepcopy(value)]
    for _ in range(draws.integers(1, 4)):
        holder, key = _place(root, draws)
        kind = draws.integers(8)
        if kind == 0 and holder is not root:
            del holder[key]
        elif kind == 1:
            holder[key] = deep()
        elif kind == 2 and isinstance(holder[key], dict):
            holder[key][str(draws.integers(9))] = NASTY[draws.integers(len(NASTY))]
        elif kind == 3 and isinstance(holder[key], str):
            holder[key] += str(NASTY[draws.integers(len(NASTY))])
        else:
            holder[key] = copy.deepcopy(NASTY[draws.integers(len(NASTY))])
    return root[0]


def _place(root: list[Any], draws: Draws) -> tuple[Any, Any]:
    """A holder and a key in it, anywhere below the root."""
    holder, key = root, 0
    while isinstance(holder[key], dict | list) and holder[key] and draws.random() < 0.85:
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[draws.integers(len(keys))]
    return holder, key


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def as_yaml(value: Any) -> bytes:
    try:
        return yaml.safe_dump(value, sort_keys=False).encode()
    except RecursionError:  # too deep to be written so; JSON is YAML, too
        return as_json(value)


#: What a configuration from elsewhere may hold beside wrong values.
TRICKS = [
    b"suite: &x [*x]\n",
    b"suite: 2024-01-01\n",
    b"seeds: [2024-01-01]\n",
    b"suite: !!python/object/apply:os.system ['echo']\n",
    b"a: &a [1,1,1,1,1,1,1,1]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (c + 1, c + 1, *[c] * 8)
        for c in range(97, 110)
    ),
    b"? [1]\n: 2\n",
    b"stems: &s {name: none, options: {o: *s}}\n",
    # Tags of the standard, on what they do not fit.
    b"x: !!bool nope\n",
    b"x: !!timestamp nope\n",
    b'x: !!int ""\n',
    b'x: !!int "_"\n',
    b'x: !!float ""\n',
]  # fmt: skip
