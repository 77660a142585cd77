import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignment import (
    PRESETS,
    Alignment,
    AlignmentError,
    Architecture,
    Layer,
    Options,
    Scoring,
    compute,
    similarities,
    tokenize,
    write_figures,
    write_tables,
)
from alignment.options import variants
from alignment.similarity import NORMALIZATIONS
from alignment.tokens import SCHEMES


def small_zoo(*more: Architecture) -> list[Architecture]:
    conv, relu, pool = Layer("conv2d", flops=5, params=2), Layer("relu"), Layer("max_pool")
    return [
        *(
            Architecture(f"{name}{n}", name, tuple(body * n), ("Conv2d", name.upper()) * n)
            for name, body in (("a", [conv, relu]), ("b", [pool, relu, relu]))
            for n in (3, 4, 5)
        ),
        *more,
    ]


FOUND = Architecture("mine", "found", (Layer("conv2d"), Layer("relu")) * 4)


def test_an_outcome() -> None:
    options = Options("layer", Scoring(), representatives=2)
    outcome = compute(small_zoo(), options)
    assert isinstance(outcome, Alignment)
    assert len(outcome) == 6
    assert outcome.representative_names == ("a4", "b4")
    assert all(0 <= one <= 1 for one in outcome.stability)
    again = compute(small_zoo(), options)
    assert np.array_equal(outcome.similarity_matrix, again.similarity_matrix)
    frame = similarities(tokenize(small_zoo()))
    assert np.array_equal(frame.to_numpy(), outcome.similarity_matrix)
    assert frame.attrs["normalization"] == "range"
    assert list(frame.index) == list(outcome.names)


def test_it_prints_itself_briefly() -> None:
    assert repr(compute(small_zoo(), Options("layer", Scoring(), representatives=2))) == (
        "Alignment of 6 architectures "
        "(range; layer; match 1 mismatch -1 gap -1; classic borders)\n"
        "2 representatives: a4, b4"
    )


def test_frames_have_names() -> None:
    outcome = compute(small_zoo(FOUND), Options("layer", Scoring(), representatives=2))
    assert outcome.scores.loc["a3", "a5"] == 6 - 4
    assert outcome.scores.dtypes.unique().tolist() == [np.dtype("int64")]
    assert outcome.similarity.loc["a4", "mine"] == 1.0
    assert outcome.similarity.attrs["options"] == outcome.options.title()
    tokens = outcome.tokens.loc["a3"]
    assert (tokens.family, tokens.length, tokens.params, tokens.flops) == ("a", 6, 6, 15)
    assert tokens.sequence == "; ".join(["conv2d", "relu"] * 3)
    members = outcome.representatives
    assert sorted(members.index) == sorted(outcome.names)
    assert tuple(members["representative"].unique()) == outcome.representative_names
    for name, row in members.iterrows():
        assert row.distance == pytest.approx(1 - outcome.similarity.loc[name, row.medoid])
    assert outcome.found_nearest.loc["mine"].iloc[0].nearest == "a4"
    assert compute(small_zoo(), Options()).found_nearest.empty
    # A change of a frame is no change of the outcome.
    frame = outcome.similarity
    frame.iloc[0, 1] = 7.0
    assert outcome.similarity_matrix.max() == 1.0


def test_files_hold_what_the_frames_hold(tmp_path: Path) -> None:
    outcome = compute(small_zoo(FOUND), Options(representatives=3, scheme="geometry"))
    written = write_tables(outcome, tmp_path)
    names = ["scores", "similarity", "tokens", "representatives", "nearest"]
    assert [path.stem for path in written] == names
    for name, path in zip(names, written, strict=True):
        frame = getattr(outcome, "found_nearest" if name == "nearest" else name)
        index = {"representatives": 6}.get(name, 0)
        read = pd.read_csv(path, index_col=index)
        assert read.index.tolist() == frame.index.tolist()
        # Headers say the options; files keep six digits, of stability two.
        assert read.shape == frame.shape
        for place, column in enumerate(frame):
            if frame[column].dtype.kind in "if":
                assert np.allclose(read.iloc[:, place], frame[column], atol=5e-3)
            else:
                assert read.iloc[:, place].tolist() == frame[column].tolist()
    assert outcome.options.title() in written[1].read_text().splitlines()[0]


def test_the_nearest_of_one() -> None:
    outcome = compute(small_zoo(FOUND), Options("layer", Scoring(), representatives=2))
    frame = outcome.nearest("mine", k=3)
    likeness = outcome.similarity["mine"].drop("mine")
    assert (
        frame.index.tolist()
        == likeness.sort_values(ascending=False, kind="stable").index[:3].tolist()
    )
    assert frame.similarity.tolist() == sorted(likeness, reverse=True)[:3]
    assert frame.loc["a4", ["family", "score", "length", "params", "flops"]].tolist() == [
        "a", 8, 8, 8, 20
    ]  # fmt: skip
    assert len(outcome.nearest("a3")) == 5
    assert len(outcome.nearest("a3", k=100)) == 6
    with pytest.raises(AlignmentError, match="did you mean mine"):
        outcome.nearest("mines")
    with pytest.raises(AlignmentError, match="k is 0"):
        outcome.nearest("mine", k=0)


def test_the_opposite_of_all_is_not_its_own_nearest() -> None:
    """Correlations may be below 0, and then the one itself is still no answer."""
    outcome = compute(small_zoo(), Options("layer", similarity="correlation", representatives=2))
    assert outcome.similarity_matrix.min() < 0
    assert "a3" not in outcome.nearest("a3", k=5).index


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_tables_of_every_scheme(scheme: str, tmp_path: Path) -> None:
    outcome = compute(small_zoo(), Options(scheme, representatives=2))
    write_tables(outcome, tmp_path)
    read = pd.read_csv(tmp_path / "tokens.csv", index_col=0)
    assert read.columns[-1] == f"sequence ({scheme})"
    assert read.iloc[:, -1].tolist() == outcome.tokens.sequence.tolist()
    assert [len(row.split("; ")) for row in read.iloc[:, -1]] == read.length.tolist()


def test_titles_name_every_option() -> None:
    """Two options of different results have different titles."""
    named = [name for name, _ in variants(Options())]
    titles = [one.title() for _, one in variants(Options())]
    for name in ("partial 0", "canonical"):
        changed = {"partial": 0} if name == "partial 0" else {"branches": "canonical"}
        titles.append(Options(**changed).title())
        named.append(name)
    assert len(set(titles)) == len(named)
    assert Options().title() not in titles


def test_options_are_the_recommended_ones() -> None:
    assert Options() == PRESETS["recommended"]


def test_no_variant_is_the_same_again() -> None:
    """Corrected similarities know no normalization, so none is tried."""
    for options in (*PRESETS.values(), Options(similarity="corrected")):
        titles = [one.title() for _, one in variants(options)]
        assert len({options.title(), *titles}) == 1 + len(titles)


def test_cheap_representatives() -> None:
    options = Options("layer", representatives=2, prefer="cheap", within=0.5)
    outcome = compute(small_zoo(), options)
    assert outcome.representative_names == ("a3", "b4")


@pytest.mark.slow
def test_tables_need_neither_pandas_nor_pictures(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from alignment import Architecture, Layer, compute, write_tables, write_figures;"
        "zoo = [Architecture(k * 'x', 'x', (Layer('relu'),) * k) for k in (1, 2, 3)];"
        f"outcome = compute(zoo); print(outcome); write_tables(outcome, Path({str(tmp_path)!r}));"
        "heavy = {'pandas', 'sklearn', 'matplotlib', 'torch', 'scipy.stats'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.slow
def test_few_architectures_have_what_figures_they_can(tmp_path: Path) -> None:
    for count, names in (
        (1, []),
        (2, ["heatmap.png", "tree.png", "settings.csv"]),
        (3, ["heatmap.png", "tree.png", "settings.csv", "silhouette.csv", "silhouette.png"]),
    ):
        outcome = compute(small_zoo()[:count])
        assert [path.name for path in write_figures(outcome, tmp_path)] == names


def test_variants_change_one_thing_each() -> None:
    others = dict(variants(Options()))
    assert len(others) == len(NORMALIZATIONS) - 1 + len(SCHEMES) - 1 + 5
    assert Options() not in others.values()
    assert others["zero borders"].scoring.borders == "zero"
    assert {name for name in others if name.startswith("scheme")} == {
        f"scheme {name}" for name in SCHEMES if name != Options().scheme
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scheme": "geometri"}, "unknown scheme 'geometri'; .* did you mean geometry"),
        ({"normalization": "x"}, "choose of range, longer, shorter, mean, geometric$"),
        ({"clustering": "x"}, "unknown clustering"),
        ({"prefer": "x"}, "medoid, cheap"),
        ({"representatives": 0}, "from 1 to 6"),
        ({"representatives": 7}, "from 1 to 6"),
        ({"within": -1}, "from 0 to 2"),
        ({"threads": 0}, "at least 1"),
    ],
)
def test_bad_options(changes: dict, says: str) -> None:
    with pytest.raises(AlignmentError, match=says):
        Options(**changes).check(6)
