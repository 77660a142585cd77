"""Every field of every kind of settings refuses what its type cannot mean, in one line."""

import math
import typing
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from nasneurn.analysis.gain_model import GainModel
from nasneurn.configuration import Settings, first_fault
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.found import FoundArchitecture
from nasneurn.networks.spaces import SpaceChoice
from nasneurn.networks.weights import WeightsChoice
from nasneurn.prediction.model_file import KnownPair, ModelFile, StemModel
from nasneurn.search.quality_config import QualityConfig
from nasneurn.search.quality_units import Paths
from nasneurn.search.search_config import SearchConfig
from nasneurn.search.supernet_budgets import SUPERNET_BUDGETS, SupernetBudget
from nasneurn.search.supernet_unit import Supernet
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.grids import Grid
from nasneurn.studies.training_unit import Training
from nasneurn.training.protocol import BUDGETS, Protocol

SETTINGS: list[type[Settings]] = [
    Architecture, BenchConfig, FoundArchitecture, GainModel, Grid, KnownPair, ModelFile, Paths,
    Protocol, QualityConfig, SearchConfig, SpaceChoice, StemModel, Supernet, SupernetBudget,
    Training, WeightsChoice,
]  # fmt: skip

#: By the kind of a field's type, what no field of it may hold.
WRONG: dict[Any, list[Any]] = {
    int: [-1, 0.5, math.nan, math.inf, 10**23, -(10**23), "x", [], {}, None],
    float: [math.nan, math.inf, -math.inf, "x", [], {}],
    str: [5, [], {}, 0.5],
    bool: ["x", [], 7],
    tuple: ["word", 5, {"a": 1}, [object()]],
    dict: [[1], "word", 5, {"deep": {1: 2}}, {"date": object()}],
    Literal: ["unknown", "", 5, []],
}  # fmt: skip
#: Tuples that may be empty: what was added later to grids, and names of layers that are frozen.
MAY_BE_EMPTY = {
    ("BenchConfig", "further"), ("Protocol", "frozen"), ("ModelFile", "studies"),
    ("ModelFile", "stems"), ("StemModel", "pairs"), ("KnownPair", "features"),
    ("GainModel", "features"), ("GainModel", "mean"), ("GainModel", "scale"),
    ("GainModel", "coefficients"),
}  # fmt: skip
#: Texts with commas are lists there.
MAY_BE_TEXT = {("Protocol", "frozen")}


def kind_of(annotation: Any) -> Any:
    """int, float, str, bool, tuple, dict, Literal; None for what is settings itself."""
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return kind_of(get_args(annotation)[0])
    if origin in (tuple, dict, Literal):
        return origin
    for one in get_args(annotation):  # of a union with None
        if one is not type(None):
            return kind_of(one)
    return annotation if annotation in WRONG else None


def fields() -> Iterator[Any]:
    for settings in SETTINGS:
        for name, field in settings.model_fields.items():
            kind = kind_of(field.annotation)
            if kind is not None:
                yield pytest.param(settings, name, kind, id=f"{settings.__name__}.{name}")


@pytest.mark.parametrize(("settings", "name", "kind"), fields())
def test_no_field_takes_what_it_cannot_mean(settings: type[Settings], name: str, kind: Any) -> None:
    optional = type(None) in get_args(settings.model_fields[name].annotation)
    text = (settings.__name__, name) in MAY_BE_TEXT
    for value in WRONG[kind]:
        if (value is None and optional) or (text and isinstance(value, str)):
            continue
        assert refused(settings, name, value), f"{settings.__name__}.{name} took {value!r:.60}"
    if kind is tuple and (settings.__name__, name) not in MAY_BE_EMPTY:
        assert refused(settings, name, ()), f"{settings.__name__}.{name} may not be empty"


def refused(settings: type[Settings], name: str, value: Any) -> bool:
    """Whether a field refuses a value, whatever the others are."""
    try:
        settings.model_validate({name: value})
    except ValidationError as error:
        wrong = [one for one in error.errors() if one["loc"][:1] == (name,)]
        for one in wrong:
            assert one["type"] != "missing"
        told = first_fault(error)
        assert "\n" not in told
        assert len(told) < 600
        return bool(wrong)
    return False


def test_all_settings_are_swept() -> None:
    def below(kind: type[Settings]) -> Iterator[type[Settings]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    ours = {one for one in below(Settings) if one.__module__.startswith("nasneurn.")}
    assert {one.__name__ for one in ours} - {one.__name__ for one in SETTINGS} <= {
        "Configuration",
        "StudyConfig",
        "Held",  # of three numbers each, which tests/test_load_model.py sweeps
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 1),
        ("epochs", 0),
        ("epochs", -1),
        ("learning_rate", 0),
        ("learning_rate", math.nan),
        ("steps", 10**22),
        ("hold_out", 1.0),
        ("shift", 4000),
        ("selection", "unknown"),
    ],
)
def test_bounds_of_the_protocol(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Protocol.model_validate({**BUDGETS["quick"].model_dump(), field: value})


def test_budgets_keep_their_own_bounds() -> None:
    for budget in BUDGETS.values():
        assert Protocol.model_validate(budget.model_dump()) == budget
    for named in SUPERNET_BUDGETS.values():
        for one in named.values():
            assert SupernetBudget.model_validate(one.supernet.model_dump()) == one.supernet


def test_a_found_architecture_has_its_record() -> None:
    for fields_given in ({"library": "found"}, {"library": "timm", "found": {"name": "x"}}):
        with pytest.raises(ValidationError):
            Architecture.model_validate({"name": "x", **fields_given})


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf], {"a": {"b": math.nan}}])
@pytest.mark.parametrize("field", ["settings", "choices"])
def test_options_hold_what_json_can_give_back(field: str, value: Any) -> None:
    record = {"name": "a", "space": "spos", "settings": {}, "choices": {"layer_0": "k3"}}
    with pytest.raises(ValidationError) as told:
        FoundArchitecture.model_validate({**record, field: {"layer_0": value}})
    assert "finite numbers alone" in first_fault(told.value)
