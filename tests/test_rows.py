"""Tables of rows: text stays text, and what is damaged is told in one line."""

import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasneurn.errors import InputError
from nasneurn.rows import ACCURACY, EVOLUTION, HISTORY, NUMBERS, QUALITY, read_rows, sources

cells = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(cells, st.integers(0, 9), numbers), min_size=1, max_size=6))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    table = pd.DataFrame(rows, columns=["architecture", "seed", "accuracy"])
    path = tmp_path_factory.mktemp("rows") / "accuracy.csv"
    table.to_csv(path, index=False)
    read = read_rows(path)
    for name in table:
        assert read[name].tolist() == table[name].tolist()


@pytest.mark.parametrize("name", ["1", "01", "nan", "None", "NA", "", "1e5", "True", "inf"])
@pytest.mark.parametrize("column", ["architecture", "training", "batch", "torch", "choices"])
def test_text_that_looks_like_something_else_stays_text(
    tmp_path: Path, column: str, name: str
) -> None:
    path = tmp_path / "accuracy.csv"
    pd.DataFrame({column: [name, name], "accuracy": [0.5, None]}).to_csv(path, index=False)
    table = read_rows(path)
    assert table[column].tolist() == [name, name]
    assert table["accuracy"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "not a table"),
        (b"\xff\xfe\x00", "not a table"),
        (b"seed,accuracy\n1,0.5\n1,0.5,7\n", "not a table"),
        (b"seed,accuracy\n1,2,0.5\n", "lines have 2 or 3 cells"),
        (b"seed,accuracy,stem\n1,0.5,none\n1,0.", "lines have 2 or 3 cells"),
        (b"seed,accuracy\n1,0.5\n1,x\n", "column accuracy must hold numbers, not 'x'"),
        (b"seed,accuracy\n1,True\n", "column accuracy must hold numbers"),
        (b"seed,stem\n1,none\n", "it has no column accuracy"),
    ],
)
def test_damage_is_told_with_the_file(tmp_path: Path, text: bytes, told: str) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_bytes(text)
    with pytest.raises(InputError, match=told) as raised:
        read_rows(path, ["seed", "accuracy"])
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_rows(Path("nowhere.csv"))


def test_an_empty_table_has_columns_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    pd.DataFrame(columns=list(ACCURACY)).to_csv(path, index=False)
    table = read_rows(path, ACCURACY)
    assert table.empty
    assert table["accuracy"].dtype == float


def test_tables_share_their_words() -> None:
    assert set(HISTORY) - {"epoch", "loss"} <= set(ACCURACY)
    assert {"source", "stem", "seed", "choices"} <= set(EVOLUTION) & set(QUALITY) & set(ACCURACY)
    assert "accuracy" in NUMBERS
    assert sources("mnist+svhn") == ("mnist", "svhn")


def test_numbers_are_read_to_the_last_digit(tmp_path: Path) -> None:
    values = [0.1, 0.30000000000000004, 1 / 3, 5e-324, 123456789.12345678]
    (tmp_path / "rows.csv").write_text("accuracy\n" + "".join(f"{value!r}\n" for value in values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(read_rows(tmp_path / "rows.csv")["accuracy"]) == values
