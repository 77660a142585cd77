"""Trained networks outside of their studies, and the page of Python whose blocks train them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from in_process import run_command
from safetensors import safe_open
from safetensors.torch import save_file

import nasneurn
from nasneurn.choices import Choice
from nasneurn.domains import load_suite
from nasneurn.environment import environment
from nasneurn.errors import InputError
from nasneurn.models.exporting import export
from nasneurn.models.reading import read_saved
from nasneurn.models.trained_model import load_model
from nasneurn.studies import inputs
from nasneurn.studies.model_card import write_card
from nasneurn.studies.parts import tested_part as part_of
from nasneurn.training.evaluation import accuracy
from nasneurn.training.metrics import ClassAccuracy, Metrics

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the page's blocks leave, run from top to bottom in a folder of their own."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("page")
        patch.chdir(folder)
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
            exec(compile(block, str(PAGE), "exec"), names)
        names["study"] = nasneurn.load_results(folder / "my-study")
        names["path"] = folder / names["path"]
    return names


def weights(page: dict[str, Any]) -> list[Path]:
    found = sorted(page["study"].folder.glob("weights/*.safetensors"))
    assert len(found) == 2
    return found


def changed(path: Path, to: Path, **about: str | None) -> Path:
    """The file with other metadata; None takes a key away."""
    with safe_open(path, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        held = {**file.metadata(), **about}
    save_file(state, to, metadata={key: value for key, value in held.items() if value is not None})
    return to


def test_the_page(page: dict[str, Any]) -> None:
    assert page["label"] == 7
    assert (page["program"].suffix, page["table"].index.tolist()) == (".pt2", ["none", "neurn"])
    assert page["axes"].get_xlabel() == "accuracy on other domains (%)"


def test_a_study_shows_itself(page: dict[str, Any], tmp_path: Path) -> None:
    study = page["study"]
    html = study._repr_html_()
    assert "2 units done, 0 failed" in html
    other = 100 * study.stem_means().loc["neurn", "other"]
    assert f"<td>neurn</td><td>{other:.1f}</td>" in html
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert study.plot_stems(axes) is axes
    assert study.plot_gains().axes
    assert study.plot_curves().axes
    assert "not begun" in nasneurn.Study(tmp_path / "<x>")._repr_html_()
    assert "<x>" not in nasneurn.Study(tmp_path / "<x>")._repr_html_()


def test_a_loaded_model_gives_the_rows(page: dict[str, Any]) -> None:
    suite, rows = load_suite("builtin"), page["study"].accuracy
    for path in weights(page):
        model = load_model(path)
        assert not model.training
        assert model.classes == tuple(map(str, suite.classes))
        done = model.training_unit
        for row in rows[rows["training"] == path.stem].to_dict(orient="records"):
            part = part_of(suite, row["target"], done.sources, done.protocol)
            images = inputs.test_images(suite, row["target"], part, CPU)
            assert accuracy(model, images) == pytest.approx(row["accuracy"], abs=1 / len(images))


def test_the_same_logits_in_a_new_process(page: dict[str, Any], tmp_path: Path) -> None:
    images = torch.rand(4, 3, 32, 32)
    torch.save(images, tmp_path / "images.pt")
    code = (
        "import sys, torch, nasneurn\n"
        "torch.set_num_threads(int(sys.argv[3]))\n"
        "model = nasneurn.load_model(sys.argv[1])\n"
        "images = torch.load(sys.argv[2] + '/images.pt')\n"
        "torch.save(model(images), sys.argv[2] + '/logits.pt')\n"
        "assert 'nni' not in sys.modules\n"
        "import timm, nasneurn.models.in_timm\n"
        "assert timm.list_models('nasneurn') == ['nasneurn']\n"
        "by_timm = timm.create_model('nasneurn', pretrained=True, path=sys.argv[1])\n"
        "assert torch.equal(by_timm(images), model(images))\n"
    )
    path = weights(page)[0]
    words = [str(path), str(tmp_path), str(torch.get_num_threads())]
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), load_model(path)(images))


def test_bytes(page: dict[str, Any]) -> None:
    model = load_model(weights(page)[0])
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(model(images), model(images.float() / 255))


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (
            torch.rand(3, 32, 32),
            r"shape \(3, 32, 32\); \(N, 3, H, W\) .*, as by images\[None\]",
        ),
        (torch.rand(32, 32), r"shape \(32, 32\); \(N, 3, H, W\) is needed$"),
        (torch.rand(2, 4, 32, 32), r"shape \(2, 4, 32, 32\); \(N, 3, H, W\) is needed$"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.int64), "torch.int64; a floating point tensor"),
        ([1.0], "images are a list; a tensor"),
    ],
)
def test_what_it_cannot_take_is_one_line(page: dict[str, Any], images: Any, told: str) -> None:
    for path in weights(page):
        with pytest.raises(InputError, match=told) as caught:
            load_model(path)(images)
        assert "\n" not in str(caught.value)


def test_script_of_it_is_refused_in_one_line(page: dict[str, Any]) -> None:
    for path in weights(page):
        with pytest.raises(InputError, match="script cannot take a trained network with its stem"):
            torch.jit.script(load_model(path))


def test_a_file_of_before_it_held_the_scaling(page: dict[str, Any], tmp_path: Path) -> None:
    for path in weights(page):
        old = changed(path, tmp_path / path.name, model=None)
        images = torch.rand(2, 3, 32, 32)
        assert torch.equal(load_model(old)(images), load_model(path)(images))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"suite": "digits", "sources": ("svhn", "usps")},
            "SVHN (for non-commercial use alone); ",
        ),
        ({"suite": "digits+shifts", "sources": ("mnistm",)}, "MNIST-M (licence unknown; made of"),
        ({"suite": "builtin", "sources": ("print",)}, "print, drawn by this package\n"),
        ({"suite": "pacs"}, "images of your own, whose licence is yours to know\n"),
        ({"suite": "pacs", "weights": "pretrained:a1_in1k"}, "began with have terms of their own"),
    ],
)
def test_the_card_tells_what_is_known_of_licences(
    page: dict[str, Any], tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    training, _, _ = read_saved(weights(page)[0])
    write_card(tmp_path / "x.safetensors", training.model_copy(update=changes), {})
    assert told in (tmp_path / "x.md").read_text()


def test_the_card(page: dict[str, Any]) -> None:
    rows = page["study"].accuracy
    for path in weights(page):
        card = path.with_suffix(".md").read_text()
        own = rows[rows["training"] == path.stem]
        for row in own.to_dict(orient="records"):
            assert f"| {row['target']} | {100 * row['accuracy']:.1f} | " in card
            assert f" | {row['n']} |\n" in card
        assert f"stem: {own['stem'].iloc[0]}" in card
        for word in ("algorithm: erm", "optdigits", "CC BY", "torch "):
            assert word in card
        assert "`nasneurn bench --config config.yaml --save-weights`" in card
        assert f"commit: {own['commit'].iloc[0]}\n" in card
        assert environment().get("commit", "none") == own["commit"].iloc[0]


def worth(right: int, images: int) -> Metrics:
    classes = (ClassAccuracy(images - 1, None), ClassAccuracy(1, None))
    return Metrics(right / images, 0.5, 1.0, 0.1, classes)


@pytest.mark.parametrize(
    ("right", "images", "told"),
    [  # the ends by the formula of Wilson (1927), computed by hand
        (8, 10, "80.0 | 49.0 to 94.3 | 10"),
        (0, 10, "0.0 | 0.0 to 27.8 | 10"),
        (263, 500, "52.6 | 48.2 to 56.9 | 500"),
    ],
)
def test_the_card_has_an_interval(
    right: int, images: int, told: str, page: dict[str, Any], tmp_path: Path
) -> None:
    training, _, _ = read_saved(weights(page)[0])
    write_card(tmp_path / "w" / "x.safetensors", training, {"usps": worth(right, images)})
    assert f"| usps | {told} |" in (tmp_path / "w" / "x.md").read_text()


def test_a_card_leaves_the_commit_to_the_rows(page: dict[str, Any], tmp_path: Path) -> None:
    training, _, _ = read_saved(weights(page)[0])
    before = dict(environment())
    for name in ("x", "y"):
        write_card(tmp_path / "w" / f"{name}.safetensors", training, {})
        told = (tmp_path / "w" / f"{name}.md").read_text()
        assert f"commit: {before.get('commit', 'none')}\n" in told
    assert dict(environment()) == before


def own(training: Any) -> Any:
    architecture = {"name": "own_networks:SmallCNN", "library": "own"}
    design = type(training.architecture)(**architecture, model="own_networks:SmallCNN")
    return training.model_copy(update={"architecture": design})


@pytest.mark.parametrize(
    ("config", "changed", "told", "loaded"),
    [
        (
            "kind: bench\n",
            lambda one: one,
            "nasneurn bench --config config.yaml --save-weights`",
            "",
        ),
        (
            "kind: search\n",
            lambda one: one,
            "nasneurn search --config config.yaml --save-weights`",
            "",
        ),
        (
            "kind: search\nenvironment:\n  code of own_spaces:Small: abc\n",
            lambda one: one,
            "nasneurn search --config config.yaml --save-weights --trust-code`",
            "",
        ),
        (
            None,
            own,
            "nasneurn bench --config config.yaml --save-weights --trust-code`",
            ", trust_code=True",
        ),
        (
            None,
            lambda one: one.model_copy(update={"stem": Choice(name="own_stems:half")}),
            "nasneurn bench --config config.yaml --save-weights --trust-code`",
            ", trust_code=True",
        ),
    ],
)
def test_the_card_names_the_command_and_the_call(
    config: str | None, changed: Any, told: str, loaded: str, page: dict[str, Any], tmp_path: Path
) -> None:
    training, _, _ = read_saved(weights(page)[0])
    if config is not None:
        (tmp_path / "config.yaml").write_text(config)
    write_card(tmp_path / "weights" / "x.safetensors", changed(training), {})
    card = (tmp_path / "weights" / "x.md").read_text()
    assert told in card
    assert f'nasneurn.load_model("x.safetensors"{loaded})\n' in card


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_exported(
    format: str, page: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path, out = weights(page)[1], tmp_path / f"model.{format}"
    assert run_command(monkeypatch, "export", path, "--format", format, "--out", out) == 0
    assert "same logits" in capsys.readouterr().out
    images = torch.rand(5, 3, 32, 32)
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(out.read_bytes())
        logits = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    else:
        logits = torch.export.load(out).module()(images)
    torch.testing.assert_close(logits, load_model(path)(images), rtol=1e-3, atol=1e-4)


def test_other_files_are_refused(page: dict[str, Any], tmp_path: Path) -> None:
    path = weights(page)[0]
    with safe_open(path, "pt") as file:
        training = file.metadata()["training"]
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(path.read_bytes()[:100])
    another = training.replace('"model": "digits_convnet"', '"model": "own.code:Network"')
    assert another != training
    other_size = tmp_path / "other.safetensors"
    with safe_open(path, "pt") as file:
        save_file({"x": torch.zeros(1)}, other_size, metadata=file.metadata())
    for folder in ("found", "supernets"):
        (tmp_path / folder).mkdir()
    no_stem = edited(training, stem={"name": "of-another-version", "options": {}})
    cases = {
        tmp_path / "none.safetensors": "no saved weights can be read",
        broken: "no saved weights can be read",
        changed(path, tmp_path / "a.safetensors", training=None): "it names no training.*weights/",
        changed(path, tmp_path / "found" / "a.safetensors", training=None): (
            "that a found architecture inherits.*nasneurn search --config .*/config.yaml "
            "--save-weights --out ANOTHER`"
        ),
        changed(path, tmp_path / "supernets" / "a.safetensors", training=None): "a whole supernet",
        changed(path, tmp_path / "c.safetensors", training=another): "names code that is not of",
        changed(path, tmp_path / "d.safetensors", training=no_stem): "d.safetensors: .*version",
        other_size: "weights of another network",
    }
    for wrong, words in cases.items():
        with pytest.raises(InputError, match=words) as caught:
            load_model(wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="format is 'onx'"):
        export(path, format="onx")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the file that is exported; name another"):
        export(path, format="pt2", out=path)


def edited(text: str, **fields: Any) -> str:
    """JSON with other fields; None takes one away."""
    whole = {**json.loads(text), **fields}
    return json.dumps({key: value for key, value in whole.items() if value is not None})


@pytest.mark.parametrize(
    ("entry", "fields", "told"),
    [
        ("training", {"newfield": 1}, "its training cannot be read: newfield: extra inputs are"),
        (
            "training",
            {"architecture": None},
            "its training cannot be read: architecture: field req",
        ),
        ("training", {"seed": "x"}, "its training cannot be read: seed is 'x': "),
        ("model", {"std": None}, "its model cannot be read: std: field required"),
        ("model", {"std": ["x"]}, "its model cannot be read: std.0 is 'x': "),
        ("model", {"mean": 3}, "its model cannot be read: mean is 3: "),
        ("model", {"mean": [0.5]}, "its model cannot be read: mean.1: field required"),
        ("model", {"mean": [0.5] * 4}, "its model cannot be read: mean is .*at most 3 items"),
        ("model", {"std": [0.5, 0, 1]}, "its model cannot be read: std.1 is 0: "),
        ("model", {"plain_std": None}, "its model cannot be read: .*plain_std must both be there"),
        ("model", {"classes": []}, "its model cannot be read: classes is "),
        ("model", {"gamma": 2}, "its model cannot be read: gamma: extra inputs are"),
    ],
)
def test_a_file_of_another_version_is_told_by_field(
    entry: str, fields: dict[str, Any], told: str, page: dict[str, Any], tmp_path: Path
) -> None:
    path = weights(page)[0]
    with safe_open(path, "pt") as file:
        text = edited(file.metadata()[entry], **fields)
    here = environment()["nasneurn"]
    for written, by in (("9.1", "nasneurn 9.1"), (None, "a nasneurn that left no version")):
        other = changed(path, tmp_path / "x.safetensors", **{entry: text, "nasneurn": written})
        with pytest.raises(InputError) as caught:
            load_model(other)
        words = str(caught.value)
        assert re.match(rf"{re.escape(str(other))}: {told}", words), words
        assert words.endswith(f"(written by {by}; this is nasneurn {here})")
        assert "\n" not in words


@pytest.mark.parametrize("text", ["{", "[1]", "{}", "null"])
@pytest.mark.parametrize("entry", ["training", "model"])
def test_what_is_no_entry_is_one_line(
    entry: str, text: str, page: dict[str, Any], tmp_path: Path
) -> None:
    other = changed(weights(page)[0], tmp_path / "x.safetensors", **{entry: text})
    with pytest.raises(InputError, match=f"its {entry} cannot be read: ") as caught:
        load_model(other)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_what_timm_cannot_ask_of_a_file(page: dict[str, Any]) -> None:
    import timm

    import nasneurn.models.in_timm  # noqa: F401

    with pytest.raises(InputError, match="needs a file"):
        timm.create_model("nasneurn")
    with pytest.raises(InputError, match="takes no num_classes"):
        timm.create_model("nasneurn", path=weights(page)[0], num_classes=3)


def test_a_network_of_ones_own_is_exported_in_silence(
    page: dict[str, Any], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    study = nasneurn.bench(
        "own_networks:SmallCNN",
        stems="none",
        sources="optdigits",
        targets="optdigits",
        seeds=1,
        changes={"train_images": 200, "epochs": 1},
        out=tmp_path / "own",
        execution=nasneurn.Execution(device="cpu", save_weights=True),
    )
    (path,) = study.folder.glob("weights/*.safetensors")
    assert ", trust_code=True)" in path.with_suffix(".md").read_text()
    recwarn.clear()
    export(path, format="pt2", trust_code=True)
    assert not [one for one in recwarn if "complete tensor" in str(one.message)]
