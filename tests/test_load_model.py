"""Trained networks outside of their studies, and the page of Python whose blocks train them."""

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
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.models.exporting import export
from nasneurn.models.trained_model import load_model, read_saved
from nasneurn.studies import inputs
from nasneurn.studies.model_card import write_card
from nasneurn.studies.parts import tested_part as part_of
from nasneurn.training.evaluation import accuracy

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
        names["study"] = nasneurn.load_study(folder / "my-study")
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
            images = inputs.test_images(suite.handle, row["target"], part, CPU)
            assert accuracy(model, images) == pytest.approx(row["accuracy"], abs=1 / len(images))


def test_the_same_logits_in_a_new_process(page: dict[str, Any], tmp_path: Path) -> None:
    images = torch.rand(4, 3, 32, 32)
    torch.save(images, tmp_path / "images.pt")
    code = (
        "import sys, torch, nasneurn\n"
        "torch.set_num_threads(int(sys.argv[3]))\n"
        "model = nasneurn.load_model(sys.argv[1])\n"
        "torch.save(model(torch.load(sys.argv[2] + '/images.pt')), sys.argv[2] + '/logits.pt')\n"
        "assert 'nni' not in sys.modules\n"
    )
    path = weights(page)[0]
    words = [str(path), str(tmp_path), str(torch.get_num_threads())]
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), load_model(path)(images))


def test_bytes(page: dict[str, Any]) -> None:
    model = load_model(weights(page)[0])
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(model(images), model(images.float() / 255))


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
            assert f"| {row['target']} | {100 * row['accuracy']:.1f} |" in card
        assert f"stem: {own['stem'].iloc[0]}" in card
        for word in ("algorithm: erm", "optdigits", "CC BY", "--save-weights", "torch "):
            assert word in card


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
    cases = {
        tmp_path / "none.safetensors": "no saved weights can be read",
        broken: "no saved weights can be read",
        changed(path, tmp_path / "a.safetensors", training=None): "it may be of another version",
        changed(path, tmp_path / "b.safetensors", training="{}"): "it may be of another version",
        changed(path, tmp_path / "c.safetensors", training=another): "names code that is not of",
        other_size: "weights of another network",
    }
    for wrong, words in cases.items():
        with pytest.raises(InputError, match=words) as caught:
            load_model(wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="format is 'onx'"):
        export(path, format="onx")  # type: ignore[arg-type]
