import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies
from in_process import align

from alignment import (
    PRESETS,
    PUBLISHED,
    AlignmentError,
    Architecture,
    Layer,
    Options,
    Scoring,
    compute,
    write_figures,
    write_tables,
)
from alignment.colours import PALETTE, family_colours
from alignment.figures import embed
from alignment.nulls import MOST_SHUFFLES
from alignment.page import map_page
from nasneurn.cli.align_options import Shuffles, read_count
from nasneurn.errors import InputError
from nasneurn.networks.traced import gather

SMALL = "test_resnet,test_vit,test_convnext,test_byobnet,test_efficientnet"


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from nasneurn.cli import main; main()", "align", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.slow
def test_all_44_from_the_command(tmp_path: Path, session_cache: Path) -> None:
    first = align("--models", "all", "--out", str(tmp_path))
    names = [row.name for row in PUBLISHED]
    scores = read(tmp_path / "scores.csv")
    assert scores[0] == [
        "score (published; match 1 mismatch -2 gap -2; classic borders)", *names
    ]  # fmt: skip
    matrix = np.array([row[1:] for row in scores[1:]], int)
    assert matrix.shape == (44, 44)
    assert np.array_equal(matrix, matrix.T)
    # The matrix that the authors' page prints ends so.
    assert matrix[names.index("vgg16"), names.index("vgg19")] == 15
    similarity = read(tmp_path / "similarity.csv")
    assert similarity[0][0] == f"similarity ({PRESETS['paper'].title()})"
    assert similarity[0][0].startswith("similarity (correlation of rows of ")
    values = np.array([row[1:] for row in similarity[1:]], float)
    assert (values.diagonal() == 1).all()
    assert values.min() < -0.5  # correlations are not cut off
    tokens = {row[0]: row for row in read(tmp_path / "tokens.csv")[1:]}
    letters = "".join(token[0] for token in tokens["vgg16"][5].split("; "))
    assert letters == "ccmccmcccmcccmcccmlll"  # as the page prints it
    assert all(int(row[2]) == len(row[5].split("; ")) for row in tokens.values())
    assert all(matrix[k, k] == int(tokens[name][2]) for k, name in enumerate(names))
    clusters = read(tmp_path / "representatives.csv")
    assert sorted(row[6] for row in clusters[1:]) == sorted(names)
    assert len({row[1] for row in clusters[1:]}) == 10
    for name in ("heatmap.png", "tree.png", "silhouette.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert {row[1] for row in clusters[1:]} <= set(first.split())
    # Like families are alike.
    near = {name: names[np.argsort(-values[k], kind="stable")[1]] for k, name in enumerate(names)}
    assert near["vgg16"] == "vgg19"
    assert near["resnet101"] == "resnet101v2"
    assert near["nasnetMobile"] == "nasnetLarge"

    # Another process, with another hash seed, from the cache: the same files, and no torch.
    again = tmp_path / "again"
    code = (
        "import sys; from nasneurn.cli import app;"
        f"app(['align', '--no-figures', '--out', {str(again)!r}], standalone_mode=False);"
        "assert not {'torch', 'pandas', 'matplotlib', 'networkx', 'sklearn', 'keras'} "
        "& set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    for name in ("scores", "similarity", "tokens", "representatives"):
        assert (again / f"{name}.csv").read_bytes() == (tmp_path / f"{name}.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--models", "all"], PRESETS["paper"].title()),
        (["--models", SMALL], PRESETS["recommended"].title()),
        (["--models", SMALL, "--preset", "paper"], PRESETS["paper"].title()),
        (["--models", "all", "--preset", "recommended"], PRESETS["recommended"].title()),
        (
            ["--models", SMALL, "--preset", "paper", "--gap", "-1", "--normalize", "longer"],
            "correlation of rows of longer; published; match 1 mismatch -2 gap -1; classic borders",
        ),
        (
            ["--models", SMALL, "--branches", "canonical", "--similarity", "corrected"],
            "corrected by shuffles; block, canonical branches; match ",
        ),
    ],
)
def test_a_preset_and_what_overrides_it(arguments: list[str], says: str, tmp_path: Path) -> None:
    align(*arguments, "--no-figures", "--out", str(tmp_path))
    assert read(tmp_path / "similarity.csv")[0][0].startswith(f"similarity ({says}")


@pytest.mark.slow
def test_the_figures_order_or_clusters(tmp_path: Path) -> None:
    """The same picture twice, and another one where another order is asked for."""
    pictures = {}
    for order in ("", "published", "clustered"):
        asked = ["--order", order] if order else []
        align("--models", SMALL, "--preset", "paper", *asked, "--out", str(tmp_path))
        pictures[order] = (tmp_path / "heatmap.png").read_bytes()
    assert pictures[""] == pictures["published"] != pictures["clustered"]


def test_representatives_that_a_small_machine_can_train(tmp_path: Path) -> None:
    align(
        "--models", SMALL, "--max-params", "0.4M", "--representatives", "2", "--no-figures",
        "--out", str(tmp_path),
    )  # fmt: skip
    params = {row[0]: int(row[3]) for row in read(tmp_path / "tokens.csv")[1:]}
    chosen = {row[1] for row in read(tmp_path / "representatives.csv")[1:]}
    assert len(chosen) == 2
    assert all(params[name] <= 400_000 for name in chosen)
    assert any(count > 400_000 for count in params.values())


@pytest.mark.parametrize(
    ("text", "count"),
    [("5M", 5_000_000), ("5000000", 5_000_000), ("1.5G", 1_500_000_000), ("300k", 300_000),
     ("2e6", 2_000_000), ("1_000", 1000), (None, None)],
)  # fmt: skip
def test_numbers_with_units(text: str | None, count: int | None) -> None:
    assert read_count("--max-params", text) == count


def test_a_pair() -> None:
    scores = ("--match", "1", "--mismatch", "-1", "--gap", "-1")
    shown = align("--pair", "vgg16", "resnet50", "--scheme", "layer", *scores)
    assert "vgg16" in shown
    assert "37 and 174 tokens" in shown
    assert "score -110" in shown
    folded = align("--pair", "vgg16", "vgg19", "--scheme", "layer", *scores)
    whole = align("--pair", "vgg16", "vgg19", "--scheme", "layer", *scores, "--no-fold")
    assert "more" in folded
    assert "more" not in whole
    assert len(whole.splitlines()) > len(folded.splitlines())
    itself = align("--pair", "vgg16", "vgg16", "--scheme", "layer", *scores, "--no-fold")
    assert "similarity 1.000" in itself
    assert "37 matches, 0 mismatches, 0 gaps" in itself
    partial = align(
        "--pair", "vgg16", "resnet50", "--scheme", "geometry", "--partial", "0", *scores
    )
    assert "of one kind" in partial
    # The paper's preset compares rows, of which two architectures have too few.
    assert "score 15" in align("--pair", "vgg16", "vgg19", "--preset", "paper")


def test_options_reach_the_scores(tmp_path: Path) -> None:
    align(
        "--models", SMALL, "--scheme", "geometry", "--match", "3", "--mismatch", "-2", "--partial",
        "1", "--gap", "-4", "--gap-extend", "-1", "--borders", "zero", "--normalize", "longer",
        "--representatives", "2", "--clustering", "hierarchical", "--prefer", "cheap",
        "--within", "0.5", "--no-figures", "--out", str(tmp_path),
    )  # fmt: skip
    title = read(tmp_path / "similarity.csv")[0][0]
    assert title == (
        "similarity (longer; geometry; match 3 mismatch -2 partial 1 gap -4 extend -1; "
        "zero borders)"
    )
    outcome = compute(
        gather([SMALL]),
        Options(
            "geometry",
            Scoring(3, -2, -4, -1, "zero"),
            partial=1,
            normalization="longer",
            representatives=2,
            clustering="hierarchical",
            prefer="cheap",
            within=0.5,
        ),
    )
    matrix = np.array([row[1:] for row in read(tmp_path / "scores.csv")[1:]], int)
    assert np.array_equal(matrix, outcome.score_matrix)
    chosen = list(dict.fromkeys(row[1] for row in read(tmp_path / "representatives.csv")[1:]))
    assert chosen == list(outcome.representative_names)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(
    match=strategies.integers(1, 5),
    mismatch=strategies.integers(-5, 4),
    partial=strategies.none() | strategies.integers(-5, 5),
    gap=strategies.integers(-5, 0),
    extend=strategies.none() | strategies.integers(-5, 0),
    scheme=strategies.sampled_from(["layer", "geometry", "block"]),
)
def test_no_option_is_refused_by_the_tools_own_variants(
    match: int, mismatch: int, partial: int | None, gap: int, extend: int | None, scheme: str
) -> None:
    """Whatever can be computed can be compared with other options."""
    pair = crowd(4)
    try:
        options = Options(scheme, Scoring(match, mismatch, gap, extend), partial=partial)
        compute(pair, options, with_variants=False)
    except AlignmentError:
        assume(False)
    assert "mismatch 0" in {one.name for one in compute(pair, options).variants} or not mismatch


def test_a_partial_score_below_0(tmp_path: Path) -> None:
    arguments = ["--scheme", "geometry", "--mismatch", "-3", "--partial", "-1"]
    align("--models", SMALL, *arguments, "--no-figures", "--out", str(tmp_path))
    assert "partial -1" in read(tmp_path / "scores.csv")[0][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--models", "resnet5O"], "did you mean"),
        (["--models", "unetplusplus"], "package.module:Name for a network of your own"),
        (["--gap", "2"], "must be 0 or below"),
        (["--models", SMALL, "--representatives", "6"], "from 1 to 5"),
        (["--representatives", "0"], "cannot choose 0"),
        (["--preset", "papers"], "did you mean paper"),
        (["--scheme", "letters"], "layer, geometry, block, library, published"),
        (["--scheme", "layer", "--partial", "0"], "no geometry to differ in; .* geometry or block"),
        (["--borders", "none"], "classic, zero"),
        (["--normalize", "none"], "range"),
        (["--similarity", "none"], "normalized, correlation, corrected"),
        (["--branches", "none"], "execution, canonical"),
        (["--order", "none", "--models", SMALL, "--figures"], "published, clustered"),
        (["--max-params", "5X"], "--max-params is '5X'; it is a number such as"),
        (["--max-flops", "0"], "--max-flops is '0'"),
        (["--models", SMALL, "--max-params", "10"], "of 5 architectures have"),
        (["--models", "timm:nothing_at_all", "--strict"], "cannot be built"),
        (["--models", "timm:nothing_at_all"], "no architectures"),
        (["--models", "missing.json"], "cannot be read"),
        (["--models", "missing.txt"], "cannot be read"),
        (["--jobs", "0"], "at least 1"),
        (["--within", "1.5"], "--within is of --prefer cheap"),
        (["--support"], "--support: of figures, and --no-figures draws none"),
        (
            ["--order", "clustered", "--figure-format", "pdf"],
            "--order, --figure-format: of figures",
        ),
        (["--no-fold"], "--no-fold is of --pair"),
        (["--similarity", "corrected", "--normalize", "longer"], "leave it out with --similarity"),
        (["--models", "vgg16", "--input-shape", "64,64"], "none of the models is one"),
        (["--models", "keras:VGG16", "--input-shape", "64"], "height,width"),
    ],
)
def test_bad_input(arguments: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises((AlignmentError, InputError), match=says) as error:
        align("--no-figures", "--out", str(tmp_path), *arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vgg16", "resnet1*"], r"'resnet1\*' names \d+ architectures \(.* more\)"),
        (["vgg16", "vgg19", "--models", "all"], "leave out --models$"),
        (["vgg16", "vgg19", "--compare", "published"], "leave out --compare$"),
        (["vgg16", "vgg19", "--max-params", "5M", "--out", "x"], "leave out --max-params, --out$"),
    ],
)
def test_what_says_nothing_of_a_pair_is_refused(arguments: list[str], says: str) -> None:
    with pytest.raises((AlignmentError, InputError), match=says):
        align("--pair", *arguments)


@pytest.mark.slow
def test_bad_input_is_one_line_and_code_2(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    for arguments, says in (
        (["--models", "vgg16", "--out", str(blocked / "out")], "cannot be written"),
        (["--models", "$vgg_{[/bold]"], "no model matches '$vgg_{[/bold]'"),
        (["--match", "x"], "'--match'"),
    ):
        answer = command(*arguments)
        assert answer.returncode == 2
        assert answer.stderr.startswith("nasneurn: ")
        assert says in answer.stderr
        assert len(answer.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_terminal_that_has_few_letters(tmp_path: Path) -> None:
    """The middle dot in the place of a gap has no ASCII."""
    session = command("--pair", "vgg16", "vgg19", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert session.returncode == 0, session.stderr
    assert "vgg19" in session.stdout
    out = tmp_path / "Ergebnisse-für-später"
    written = command(
        "--models", "test_resnet", "--no-figures", "--out", str(out), PYTHONIOENCODING="ascii"
    )
    assert written.returncode == 0, written.stderr


def test_one_architecture(tmp_path: Path) -> None:
    align("--models", "test_resnet", "--out", str(tmp_path))
    assert read(tmp_path / "similarity.csv")[1] == ["test_resnet", "1.000000"]


def crowd(count: int) -> list[Architecture]:
    random = np.random.default_rng(0)
    kinds = ["conv2d", "relu", "add", "batch_norm"]
    return [
        Architecture(
            f"</script>{k}" if k == 0 else f"model{k}",
            f"family{k % 20}",
            tuple(Layer(kinds[i]) for i in random.integers(0, 4, 5 + k % 30)),
        )
        for k in range(count)
    ]


@pytest.mark.slow
def test_very_many_architectures_become_a_map(tmp_path: Path) -> None:
    outcome = compute(crowd(160), Options(representatives=4))
    assert np.isnan(outcome.stability).all()
    write_tables(outcome, tmp_path)
    written = write_figures(outcome, tmp_path)
    assert [path.name for path in written] == ["map.png", "map.html"]
    text = (tmp_path / "map.html").read_text()
    assert "model159" in text
    assert "http" not in text  # it needs nothing from elsewhere
    assert text.count("</script>") == 1
    start = text.index("const data = ") + len("const data = ")
    data = json.loads(text[start : text.index(";\n", start)])
    assert len(data["models"]) == 160
    assert sum(model["r"] for model in data["models"]) == 4
    assert all(len(model["a"]) == 6 for model in data["models"])
    points = embed(outcome.similarity_matrix)
    assert np.array_equal(points, embed(outcome.similarity_matrix))
    assert map_page(outcome, points) == text


def test_colours_of_families() -> None:
    few = family_colours(["b", "a", "b"])
    assert few == {"b": PALETTE[0], "a": PALETTE[1]}
    many = family_colours([f"f{k}" for k in range(30)] + ["f29"] * 3)
    assert many["f29"] == PALETTE[0]
    assert sum(colour not in PALETTE for colour in many.values()) == 30 - len(PALETTE)


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys, nasneurn.cli;"
        "assert not {'torch', 'numpy', 'numba', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_option_bounds_shuffles_as_their_function_does() -> None:
    _, option = get_args(Shuffles)
    assert option.max == MOST_SHUFFLES


def test_shuffled_scores_and_support_of_branches(tmp_path: Path, session_cache: Path) -> None:
    align("--models", SMALL, "--shuffles", "20", "--support", "--out", str(tmp_path))
    header, *rows = read(tmp_path / "null.csv")
    assert header[:2] == ["one", "other"]
    assert header[3] == "mean of 20 shuffles"
    assert len(rows) == 10  # pairs of five
    scores = {row[0]: dict(zip(SMALL.split(","), row[1:], strict=True))
              for row in read(tmp_path / "scores.csv")[1:]}  # fmt: skip
    for one, other, score, mean, deviation, z, p in rows:
        assert score == scores[one][other]
        assert 1 / 21 - 1e-4 <= float(p) <= 1
        if float(deviation) > 0.01:
            assert abs((float(score) - float(mean)) / float(deviation) - float(z)) < 0.05
    assert "shuffles: 20" in (tmp_path / "config.yaml").read_text()
    assert "support: 100" in (tmp_path / "config.yaml").read_text()
    # The next alignment of the folder leaves no table of this one.
    align("--models", SMALL, "--no-figures", "--out", str(tmp_path))
    assert not (tmp_path / "null.csv").exists()


def test_a_pair_beside_its_shuffles(session_cache: Path) -> None:
    shown = align("--pair", "test_resnet", "test_vit", "--shuffles", "20")
    assert "shuffled 20 times: mean score" in shown
    assert "shuffled" not in align("--pair", "test_resnet", "test_vit")
