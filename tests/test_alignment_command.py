import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from alignment import (
    ZOO,
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
from alignment.page import map_page
from nasneurn.cli import app
from nasneurn.errors import InputError
from nasneurn.networks.found import FoundArchitecture, write_found
from nasneurn.networks.traced import gather

SMALL = "test_resnet,test_vit,test_convnext,test_byobnet,test_efficientnet"


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def run(*arguments: str) -> str:
    answer = CliRunner().invoke(app, ["align", *arguments])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.output


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from nasneurn.cli import main; main()", "align", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_all_44_from_the_command(tmp_path: Path, session_cache: Path) -> None:
    first = run("--models", "all", "--out", str(tmp_path))
    names = [row.name for row in ZOO]
    scores = read(tmp_path / "scores.csv")
    assert scores[0] == [
        "score (layer; match 1 mismatch -1 gap -1; classic borders)", *names
    ]  # fmt: skip
    matrix = np.array([row[1:] for row in scores[1:]], int)
    assert matrix.shape == (44, 44)
    assert np.array_equal(matrix, matrix.T)
    similarity = read(tmp_path / "similarity.csv")
    assert similarity[0][0].startswith("similarity (range; layer;")
    values = np.array([row[1:] for row in similarity[1:]], float)
    assert (values.diagonal() == 1).all()
    tokens = {row[0]: row for row in read(tmp_path / "tokens.csv")[1:]}
    assert tokens["vgg16"][5].startswith("conv2d; relu; conv2d; relu; max_pool; conv2d")
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
    assert near["resnet50"] == "resnet50v2"
    assert near["convnextbase"].startswith("convnext")

    # Another process, with another hash seed, from the cache: the same files, and no torch.
    again = tmp_path / "again"
    code = (
        "import sys; from nasneurn.cli import app;"
        f"app(['align', '--no-figures', '--out', {str(again)!r}], standalone_mode=False);"
        "assert not {'torch', 'pandas', 'matplotlib', 'networkx', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    for name in ("scores", "similarity", "tokens", "representatives"):
        assert (again / f"{name}.csv").read_bytes() == (tmp_path / f"{name}.csv").read_bytes()


def test_a_pair() -> None:
    shown = run("--pair", "vgg16", "resnet50")
    assert "vgg16" in shown
    assert "37 and 174 tokens" in shown
    assert "score -110" in shown
    folded = run("--pair", "vgg16", "vgg19")
    whole = run("--pair", "vgg16", "vgg19", "--no-fold")
    assert "more" in folded
    assert "more" not in whole
    assert len(whole.splitlines()) > len(folded.splitlines())
    itself = run("--pair", "vgg16", "vgg16", "--no-fold")
    assert "similarity 1.000" in itself
    assert "37 matches, 0 mismatches, 0 gaps" in itself
    partial = run("--pair", "vgg16", "resnet50", "--scheme", "geometry", "--partial", "0")
    assert "of one kind" in partial


def test_options_reach_the_scores(tmp_path: Path) -> None:
    run(
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
            "geometry", Scoring(3, -2, -4, -1, "zero"), 1, "longer", 2, "hierarchical", "cheap", 0.5
        ),
    )
    matrix = np.array([row[1:] for row in read(tmp_path / "scores.csv")[1:]], int)
    assert np.array_equal(matrix, outcome.score_matrix)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--models", "resnet5O"], "did you mean"),
        (["--gap", "2"], "must be 0 or below"),
        (["--models", SMALL, "--representatives", "6"], "from 1 to 5"),
        (["--representatives", "0"], "cannot choose 0"),
        (["--scheme", "letters"], "layer, geometry, block"),
        (["--borders", "none"], "classic, zero"),
        (["--normalize", "none"], "range"),
        (["--models", "timm:nothing_at_all", "--strict"], "cannot be built"),
        (["--models", "timm:nothing_at_all"], "no architectures"),
        (["--models", "missing.json"], "cannot be read"),
        (["--jobs", "0"], "at least 1"),
    ],
)
def test_bad_input(arguments: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises((AlignmentError, InputError), match=says):
        run("--no-figures", "--out", str(tmp_path), *arguments)


def test_bad_input_is_one_line_and_code_2(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    answer = command("--models", "vgg16", "--out", str(blocked / "out"))
    assert answer.returncode == 2
    assert answer.stderr.startswith("nasneurn: ")
    assert "cannot be written" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_one_architecture(tmp_path: Path) -> None:
    run("--models", "test_resnet", "--out", str(tmp_path))
    assert read(tmp_path / "similarity.csv")[1] == ["test_resnet", "1.000000"]


def search_record(**changes: Any) -> FoundArchitecture:
    return FoundArchitecture(
        **{
            "name": "spos/print-neurn-3",
            "space": "spos",
            "settings": {
                "num_classes": 10, "image_size": 32, "width": 0.25, "blocks": [1, 1, 2, 1],
            },
            "choices": {
                "layer_1": "k3", "layer_2": "k7", "layer_3": "xcep", "layer_4": "k5",
                "layer_5": "k3",
            },
            **changes,
        }
    )  # fmt: skip


def test_found_architectures(tmp_path: Path) -> None:
    pytest.importorskip("nni")
    path = tmp_path / "found.json"
    write_found(path, [search_record(), search_record(name="spos/print-neurn-4")])
    first, second = gather([str(path)])
    assert first.layers == second.layers
    assert {"conv2d", "batch_norm", "relu", "concat", "linear"} <= {k.kind for k in first.layers}
    kernels = [k.kernel for k in first.layers if k.kind == "conv2d" and k.groups > 1]
    assert (7, 7) in kernels
    run("--models", f"test_resnet,{path}", "--no-figures", "--out", str(tmp_path))
    assert len(read(tmp_path / "scores.csv")) == 4
    nearest = read(tmp_path / "nearest.csv")
    assert [row[:4] for row in nearest[1:]] == [
        [one.name, "1", "test_resnet", "resnet"] for one in (first, second)
    ]


def test_found_transformers_are_like_known_ones(tmp_path: Path) -> None:
    pytest.importorskip("nni")
    layers = range(5)
    choices = {
        "embed_dim": 64, "depth": 4, **{f"mlp_ratio_{i}": 2.0 for i in layers},
        **{f"num_head_{i}": 3 for i in layers},
    }  # fmt: skip
    settings = {"num_classes": 10, "image_size": 32, "size": "micro"}
    path = tmp_path / "found.json"
    write_found(path, [search_record(space="autoformer", settings=settings, choices=choices)])
    (found,) = gather([str(path)])
    kinds = [layer.kind for layer in found.layers]
    assert kinds.count("layer_norm") == 9
    assert kinds.count("gelu") == kinds.count("softmax") == 4
    names = ["vit_tiny_patch16_224", "test_resnet", str(path)]
    run("--models", ",".join(names), "--no-figures", "--out", str(tmp_path))
    assert read(tmp_path / "nearest.csv")[1][2] == "vit_tiny_patch16_224"


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
