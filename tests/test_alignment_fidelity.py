import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import align

from alignment import PRESETS, PUBLISHED, AlignmentError, Architecture, Layer, tokenize
from alignment.agreement import agreements, mantel
from alignment.arrays import FloatArray
from alignment.fidelity import AS_THEY_ARE, PRINTED, Fidelity, compare, grid, rule_table
from alignment.fidelity_files import write_fidelity
from alignment.listings import UNCOUNTED
from alignment.printed import AS_PRINTED, as_printed, read_matrix
from alignment.similarity import NORMALIZATIONS
from alignment.tokens import SCHEMES
from nasneurn.networks.traced import gather

#: VGG-16 and VGG-11 as the authors' page prints their sequences, letter by letter.
LETTERS = {
    "C": "convolution",
    "R": "activation",
    "M": "max pool",
    "A": "global pool",
    "L": "linear",
    "D": "dropout",
}
VGG16 = "C C M C C M C C C M C C C M C C C M L L L"
VGG11 = "C R M C R M C R C R M C R C R M C R C R M A L R D L R D L"


@pytest.fixture(scope="module")
def architectures(session_cache: Path) -> tuple[Architecture, ...]:
    return tuple(gather(["all"], strict=True))


@pytest.fixture(scope="module")
def fidelity(architectures: tuple[Architecture, ...]) -> Fidelity:
    return compare(architectures, read_matrix())


def symmetric(seed: int, size: int) -> FloatArray:
    values = np.random.default_rng(seed).uniform(-1, 1, (size, size))
    values = (values + values.T) / 2
    np.fill_diagonal(values, 1)
    return values


def written(path: Path, names: list[str], values: FloatArray) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["any title", *names], *([name, *row] for name, row in zip(names, values.tolist()))]  # noqa: B905
        )
    return path


# -- the matrix


def test_the_published_matrix_has_the_names_and_the_properties_of_the_figure() -> None:
    matrix = read_matrix()
    assert matrix.names == tuple(row.name for row in PUBLISHED)
    assert np.array_equal(matrix.values, matrix.values.T)
    assert (matrix.values.diagonal() == 1).all()
    assert -0.9 < matrix.values.min() < -0.85
    same = [matrix.names.index(f"efficientNetb{number}") for number in range(1, 8)]
    # To what the reading of colours allows.
    assert np.abs(matrix.values[same] - matrix.values[same[0]]).max() <= 0.02
    assert np.array_equal(read_matrix("published").values, matrix.values)


def test_a_matrix_of_a_file_in_any_order_of_rows(tmp_path: Path) -> None:
    values = symmetric(0, 4)
    path = written(tmp_path / "own.csv", list("abcd"), values)
    assert np.array_equal(read_matrix(path).values, values)
    lines = path.read_text().splitlines()
    path.write_text("\ufeff" + "\n".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
    again = read_matrix(path)
    assert again.names == tuple("abcd")
    assert np.array_equal(again.values, values)
    assert again.substitutions == ()
    part = again.of(["d", "a", "c"])
    assert part.names == ("a", "c", "d")
    assert part.values[0, 2] == values[0, 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no networks"),
        (",a,b\na,1,0\n", "not square: it has 1 rows, and there are 2 columns"),
        (",a,b\na,1,0\nb,0\n", "not square: row 'b' has 1, and there are 2 columns"),
        (",a,b\na,1,0\nc,0,1\n", "no row of b"),
        (",a,b\na,1,0.2\nb,0.3,1\n", "not symmetric: a and b have 0.2 and 0.3"),
        (",a,b\na,1,far\nb,0.3,1\n", "row 'a' is not of numbers"),
        (",a,b\na,1,nan\nb,nan,1\n", "row 'a' has a number that is not finite"),
        (",a,a\na,1,0\na,0,1\n", "a is there twice"),
        (",a,b\na,1,-1e308\nb,-1e308,1\n", "row 'a' has -1e+308"),
    ],
)
def test_what_is_no_matrix_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(AlignmentError) as caught:
        read_matrix(path)
    assert says in str(caught.value)
    assert "own.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "picture.csv"):
        with pytest.raises(AlignmentError, match="cannot be read as a matrix"):
            read_matrix(path)


def test_networks_that_the_matrix_lacks_are_named() -> None:
    with pytest.raises(AlignmentError, match=r"no resnet18, alexnet; it can be compared with mob"):
        read_matrix().of(["vgg16", "resnet18", "vgg19", "alexnet"])
    with pytest.raises(AlignmentError, match="2 networks have too few pairs"):
        read_matrix().of(["vgg16", "vgg19"])


# -- agreement


@pytest.mark.parametrize("size", [5, 12])
def test_mantel_is_that_of_scikit_bio(size: int) -> None:
    from skbio.stats.distance import mantel as oracle

    other = symmetric(1, size)
    matrices = [symmetric(2, size), 0.4 * other + symmetric(3, size), 2 * other - 1]
    for matrix, (r, p) in zip(matrices, mantel(matrices, other, permutations=999, seed=5)):  # noqa: B905
        # Distances: it refuses a diagonal that is not 0. It permutes its first argument.
        expected_r, expected_p, count = oracle(
            1 - (other - np.diag(other.diagonal() - 1)),
            1 - (matrix - np.diag(matrix.diagonal() - 1)),
            permutations=999,
            alternative="greater",
            seed=5,
        )
        assert count == size
        assert r == pytest.approx(expected_r, abs=1e-12)
        # The same generator draws the same permutations; equal r may be summed apart.
        assert p == pytest.approx(expected_p, abs=2e-3)


def test_agreement_is_that_of_scipy_and_numpy() -> None:
    other, matrix = symmetric(1, 9), symmetric(2, 9)
    (found,) = agreements([matrix], other, permutations=9)
    a, b = (one[np.triu_indices(9, 1)] for one in (matrix, other))
    assert found.pairs == 36
    assert found.pearson == pytest.approx(np.corrcoef(a, b)[0, 1])
    ranks = [np.argsort(np.argsort(one)) for one in (a, b)]
    assert found.spearman == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert found.error == pytest.approx(np.abs(a - b).mean())
    flat, itself = agreements([np.ones((9, 9)), other], other, permutations=99)
    assert np.isnan([flat.pearson, flat.spearman, flat.mantel]).all()
    assert (itself.pearson, itself.spearman, itself.error) == pytest.approx((1, 1, 0))
    assert itself.mantel == 1 / 100
    with pytest.raises(AlignmentError, match="Mantel's test needs"):
        mantel([np.ones((4, 4))], np.ones((5, 5)))


@given(st.integers(0, 2**32 - 1), st.integers(4, 10), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_mantel_knows_no_scale_and_is_reproducible(
    seed: int, size: int, scale: float, shift: float
) -> None:
    a, b = symmetric(seed, size), symmetric(seed + 1, size)
    (r, p), (again, same) = mantel([a, scale * a + shift], b, permutations=49, seed=seed)
    assert again == pytest.approx(r, abs=1e-9)
    assert same == p
    assert 1 / 50 <= p <= 1
    assert mantel([a], b, permutations=49, seed=seed) == [(r, p)]


# -- sequences as printed


def test_vgg_as_the_authors_page_shows_them(architectures: tuple[Architecture, ...]) -> None:
    for scheme in ("library", "published"):
        tokens = tokenize(architectures, scheme)
        for name, letters in (("vgg16", VGG16), ("vgg11", VGG11)):
            words = tokens.words(tokens.names.index(name))
            assert words == [LETTERS[letter] for letter in letters.split()], (scheme, name)


def test_substitutions_are_those_of_the_table(architectures: tuple[Architecture, ...]) -> None:
    own = {one.name: one for one in architectures}
    printed = {one.name: one for one in as_printed(architectures)}
    changed = [name for name in own if printed[name].listing != own[name].listing]
    # B2 is listed as B1 is.
    assert set(changed) == {one.name for one in AS_PRINTED} - {"efficientNetb2"}
    for number in range(2, 8):
        assert printed[f"efficientNetb{number}"].listing == own["efficientNetb1"].listing
        assert printed[f"efficientNetb{number}"].layers == own["efficientNetb1"].layers
    assert printed["vit"].listing == ("LayerNorm",) * 25
    assert printed["midas"].listing == ("LayerNorm",) * 49
    assert [layer.kind for layer in printed["vit"].layers] == ["layer_norm"] * 25
    assert sorted(printed["vit"].canonical) == [*range(25)]
    # What the figure shows is not fitted; what was chosen to be near it is.
    assert {one.name for one in AS_PRINTED if one.fitted} == {"vit", "midas"}
    assert all(one.reason for one in AS_PRINTED)
    assert all(printed[name] == own[name] for name in set(own) - {one.name for one in AS_PRINTED})


def test_substitutions_without_their_networks_change_nothing() -> None:
    layer = (Layer("conv2d"),)
    some = (Architecture("efficientNetb7", "E", layer), Architecture("vit", "V", layer))
    # The one lacks B1; the other has no LayerNorm, and would be empty.
    assert as_printed(some) == some


# -- fidelity


def test_the_figure_is_reproduced(fidelity: Fidelity) -> None:
    printed, own = fidelity.compared[PRINTED].agreement, fidelity.compared[AS_THEY_ARE].agreement
    assert printed.pairs == 946
    assert printed.pearson >= 0.97
    assert printed.spearman >= 0.96
    assert printed.error <= 0.12
    assert printed.mantel == pytest.approx(1e-4)
    assert 0.85 <= own.pearson < printed.pearson
    # Nearly all of that difference are vit and midas, and their pairs alone.
    names = fidelity.published.names
    kept = [place for place, name in enumerate(names) if name not in ("vit", "midas")]
    part = np.ix_(kept, kept)
    (without,) = agreements(
        [fidelity.compared[AS_THEY_ARE].similarity[part]], fidelity.published.values[part]
    )
    assert without.pearson > 0.93


def test_order_of_the_networks_does_not_matter(
    architectures: tuple[Architecture, ...], fidelity: Fidelity
) -> None:
    turned = compare(architectures[::-1], read_matrix())
    for way, one in fidelity.compared.items():
        assert np.allclose(turned.compared[way].similarity, one.similarity)
    assert list(turned.pairs())[0][:3] == ["mobilenet", "mobilenetv2", "0.7130"]  # noqa: RUF015


def test_the_grid_has_every_combination_once(fidelity: Fidelity) -> None:
    rows = grid(fidelity)
    assert len(rows) == len({row[:4] for row in rows}) == 2 * len(SCHEMES) * len(NORMALIZATIONS) * 2
    chosen = PRESETS["paper"]
    paper = (chosen.scheme, chosen.normalization, chosen.similarity)
    found = {row.networks: row.agreement for row in rows if row[1:4] == paper}
    assert found == {way: one.agreement for way, one in fidelity.compared.items()}
    # Without listings, schemes that need them are left out.
    bare = tuple(replace(one, listing=()) for one in fidelity.architectures[:5])
    bared = compare(bare, read_matrix(), replace(PRESETS["paper"], scheme="layer"))
    assert {row.scheme for row in grid(bared)} == {"layer", "geometry", "block"}
    assert rule_table(bared) == []


def test_what_each_part_of_the_rule_is_worth(fidelity: Fidelity) -> None:
    rows = {row.change: row for row in rule_table(fidelity)}
    assert rows["the rule"].agreement == fidelity.compared[PRINTED].agreement
    library = compare(
        fidelity.architectures, read_matrix(), replace(PRESETS["paper"], scheme="library")
    )
    assert rows["all counted"].agreement == library.compared[PRINTED].agreement
    lengths = {f"{name} counted" for name in UNCOUNTED} & rows.keys()
    assert {"Activation counted", "DepthwiseConv2D counted"} <= lengths
    assert rows["Activation counted"].networks == 23
    # No class that is left out is better counted, beyond what the plateau's differences are.
    best = rows["the rule"].agreement.pearson
    assert all(rows[change].agreement.pearson < best + 0.002 for change in lengths)
    for change in ("midas as they are", "vit as they are", "efficientNetb2 to efficientNetb7"):
        (row,) = [row for name, row in rows.items() if name.startswith(change)]
        assert row.agreement.pearson < best - 0.01


def test_files_of_a_comparison(tmp_path: Path, fidelity: Fidelity) -> None:
    paths = write_fidelity(fidelity, tmp_path)
    assert [path.name for path in paths] == [
        "published.csv",
        "fidelity.csv",
        "published_rule.csv",
        "published.png",
        "published_as_they_are.png",
        "captions.txt",
    ]
    with paths[0].open() as file:
        header, *rows = csv.reader(file)
    assert len(rows) == 946
    assert "correlation of rows of" in header[2]
    numbers = np.array([row[2:] for row in rows], float)
    assert np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1] == pytest.approx(
        fidelity.compared[PRINTED].agreement.pearson, abs=1e-4
    )
    assert np.allclose(numbers[:, 1] - numbers[:, 0], numbers[:, 2], atol=2e-4)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths[3:5])


# -- the command


def test_the_command_compares_with_the_figure(
    tmp_path: Path, architectures: tuple[Architecture, ...]
) -> None:
    shown = align(
        "--models", "all", "--compare", "published", "--no-figures", "--out", str(tmp_path)
    )
    assert "networks as printed: Pearson 0.97" in shown or "Pearson 0.98" in shown
    assert not [*tmp_path.glob("published*.png")]
    for name in ("published.csv", "fidelity.csv", "published_rule.csv"):
        assert (tmp_path / name).is_file()


def test_the_command_compares_with_a_file(
    tmp_path: Path, architectures: tuple[Architecture, ...]
) -> None:
    models = "vgg16,vgg11,squeezenet,resnet50"
    align("--models", models, "--no-figures", "--out", str(tmp_path))
    own = str(tmp_path / "similarity.csv")
    shown = align("--models", models, "--compare", own, "--out", str(tmp_path / "again"))
    assert "networks as they are: Pearson 1.000" in shown
    assert "as printed" not in shown
    made = {path.name for path in (tmp_path / "again").iterdir()}
    assert {"published.csv", "fidelity.csv", "published.png"} <= made
    assert not {"published_rule.csv", "published_as_they_are.png"} & made
    with pytest.raises(AlignmentError, match=r"similarity\.csv has no vgg19"):
        align("--models", "vgg16,vgg11,vgg19", "--compare", own, "--out", str(tmp_path / "other"))
