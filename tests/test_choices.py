"""How things are named: one parser of names, options and values, and registries of makers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasneurn.choices import Choice, Registry, parse_value, split_choices
from nasneurn.errors import InputError


def make(size: int = 3, sizes: tuple[int, ...] = (1, 3), scale: float = 1.0) -> tuple[object, ...]:
    return size, sizes, scale


REGISTRY = Registry("thing", {"plain": lambda: "plain", "sized": make})


def test_a_choice_reads_lists_numbers_and_words() -> None:
    choice = Choice.parse("sized:sizes=[1,3],scale=1e-3,border=zero,flag=true,nothing=null")
    assert choice.options == {
        "sizes": [1, 3], "scale": 1e-3, "border": "zero", "flag": True, "nothing": None,
    }  # fmt: skip
    assert Choice.parse(str(choice)) == choice


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.recursive(
            st.none() | st.booleans() | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.sampled_from(["zero", "reflect"]),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=4,
        ),
    )
)  # fmt: skip
def test_what_is_written_is_read(options: dict[str, object]) -> None:
    choice = Choice(name="stem", options=options)
    assert Choice.parse(str(choice)) == choice


def test_an_import_path_may_have_options() -> None:
    assert Choice.parse("my.module:Thing") == Choice(name="my.module:Thing")
    assert Choice.parse("my.module:Thing:k=5") == Choice(name="my.module:Thing", options={"k": 5})


def test_commas_part_choices_and_options() -> None:
    words = ["none,sized:size=5,scale=2.0", "my.module:Thing,sized:sizes=[1,3]"]
    assert split_choices(words) == [
        "none", "sized:size=5,scale=2.0", "my.module:Thing", "sized:sizes=[1,3]",
    ]  # fmt: skip


def test_options_at_their_defaults_are_the_same_choice() -> None:
    assert REGISTRY.choose("sized:size=3,sizes=[1,3],scale=1.0") == Choice(name="sized")
    assert len(REGISTRY.choose_all(["sized", "sized:size=3", "sized:size=5"])) == 2
    filled = REGISTRY.filled(REGISTRY.choose("sized"))
    assert filled["options"] == {"size": 3, "sizes": (1, 3), "scale": 1.0}


def test_own_makers() -> None:
    assert REGISTRY.create("test_choices:make:size=7") == (7, (1, 3), 1.0)
    registry = Registry("thing", {})
    registry.register("mine", make)
    assert registry.create("mine", size=5) == (5, (1, 3), 1.0)
    with pytest.raises(InputError, match="there is a thing 'mine' already"):
        registry.register("mine", lambda: 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sizedd", "did you mean 'sized'"),
        ("sized:sise=5", "did you mean 'size'"),
        ("sized:size", "must be option=value"),
        ("sized:size=[1", "is no value"),
        ("size=5", "must be NAME or NAME:option=value"),
        ("sized:size=1,size=2", "twice"),
        ("plain:size=1", "has none"),
        ("no.such.module:Thing", "cannot be imported"),
        ("test_choices:Nothing", "cannot be imported"),
        (":X", "cannot be imported"),
        ("folder/own.py:Thing", "write own:Thing, from the file's folder"),
        ("sized:size=2020-01-01", "is no value"),
        ("test_choices:REGISTRY", "not callable"),
        ("builtins:dict", "does not tell its arguments"),
    ],
)
def test_mistakes_are_told(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        REGISTRY.create(text)


@pytest.mark.parametrize("text", ["[1", "!!python/object:os.system x", "{a: [}", "&a [*a]"])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no value"):
        parse_value(text)
