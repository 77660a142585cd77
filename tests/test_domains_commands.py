"""The ``data`` commands, as a person meets them, and the contact sheet."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from test_domains_digits import write_pack, write_suite
from torch import nn

from nasneurn import cli
from nasneurn.domains import Split, load_suite
from nasneurn.report import contact_sheet


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process: (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["nasneurn", *map(str, arguments)])
        monkeypatch.delenv("NASNEURN_DEBUG", raising=False)
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = capsys.readouterr()
        return left.value.code or 0, printed.out, printed.err

    return call


def test_list_shows_what_is_there_and_what_is_missing(run, tmp_path):
    write_suite(tmp_path, mnist=(28, 28), svhn=(32, 32, 3))
    (tmp_path / "svhn_test.npz").unlink()
    write_pack(tmp_path, "usps_test", labels=None)
    code, out, err = run("data", "list", "--data-dir", tmp_path)
    assert (code, err) == (0, "")
    lines = {line.split()[1]: line for line in out.splitlines() if not line.startswith("digits s")}
    assert lines["mnist"].split()[2:7] == ["20", "20", "28", "x", "28"]
    assert lines["street"].split()[2:4] == ["1,600", "500"]
    assert "digits svhn: missing: nasneurn data prepare svhn" in out
    assert f"{tmp_path / 'usps_test.npz'}: no array 'labels'" in out


def test_list_for_programs(run, tmp_path):
    write_suite(tmp_path)
    (tmp_path / "usps_train.npz").unlink()
    code, out, _ = run("data", "list", "--suite", "digits", "--data-dir", tmp_path, "--json")
    entries = {entry["domain"]: entry for entry in json.loads(out)}
    assert code == 0
    assert list(entries) == ["mnist", "mnistm", "svhn", "usps"]
    assert entries["mnist"] | {"bytes": 0} == {
        "suite": "digits",
        "domain": "mnist",
        "train": 20,
        "test": 20,
        "shape": [16, 16],
        "bytes": 0,
        "problem": None,
        "classes": [],
    }
    assert entries["usps"]["problem"] == "missing: nasneurn data prepare usps"
    assert entries["usps"]["train"] is None


def test_list_of_a_folder(run, tmp_path):
    for domain in "ab":
        for label in "xy":
            folder = tmp_path / "root" / domain / label
            folder.mkdir(parents=True)
            for row in range(5):
                Image.new("L", (9, 9)).save(folder / f"{row}.png")
    code, out, _ = run("data", "list", "--suite", tmp_path / "root")
    assert code == 0
    *lines, classes = out.splitlines()[1:]
    assert [line.split()[:5] for line in lines] == [
        ["root", "a", "8", "2", "various"],
        ["root", "b", "8", "2", "various"],
    ]
    assert classes == "root: 2 classes: x, y"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "--suite", "nowhere"), "no suite 'nowhere'; it must be builtin, digits,"),
        (("preview", "--suite", "nowhere"), "no suite 'nowhere'"),
        (("prepare", "cifar"), "cannot prepare 'cifar'; it must be one of mnist"),
        (("prepare", "mnistm"), "mnistm needs photos"),
        (("preview", "--suite", "digits"), "no such file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run, tmp_path, arguments, message, monkeypatch):
    monkeypatch.setenv("NASNEURN_DATA", str(tmp_path))
    code, out, err = run("data", *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("nasneurn: ")
    assert message in err


def test_prepare_prints_the_files_it_wrote(run, tmp_path):
    for split in ("train", "test"):
        images = np.full((20, 28, 28), 9, np.uint8)
        write_pack(tmp_path, f"mnist_{split}", images=images)
    for name in "ab":
        Image.new("RGB", (40, 40), "teal").save(tmp_path / f"{name}.png")
    arguments = ("data", "prepare", "mnistm", "--photos", tmp_path, "--data-dir", tmp_path)
    written = [str(tmp_path / f"mnistm_{split}.npz") for split in ("train", "test")]
    assert run(*arguments) == (0, "\n".join(written) + "\n", "")
    assert run(*arguments)[:2] == (0, "")
    assert run(*arguments, "--force")[1].split() == written


def test_preview_draws_every_domain(run, tmp_path):
    out = tmp_path / "new" / "sheet.png"
    code, printed, err = run("data", "preview", "--suite", "builtin", "--out", out)
    assert (code, printed, err) == (0, f"{out}\n", "")
    with Image.open(out) as sheet:
        assert sheet.format == "PNG"
        pixels = np.asarray(sheet.convert("RGB"))
    assert pixels.shape[0] > 600
    assert pixels.shape[1] > 800
    assert pixels.std() > 30
    assert list(out.parent.iterdir()) == [out]


def test_preview_names_an_unknown_stem(run, tmp_path):
    code, _, err = run("data", "preview", "--stem", "no-such-stem", "--out", tmp_path / "x.png")
    assert code == 2
    assert err.count("\n") == 1
    assert "no-such-stem" in err


def test_examples_are_one_of_each_class():
    labels = np.repeat(np.arange(12), 3)
    split = Split(np.zeros((36, 2, 2, 3), np.uint8), labels)
    assert contact_sheet.examples(split, 12).labels.tolist() == list(range(10))
    few = Split(split.images[:9], labels[:9])
    assert contact_sheet.examples(few, 3).labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


class Affine(nn.Module):
    def __init__(self, scale, shift):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x):
        return self.scale * x + self.shift


def test_what_a_stem_gives_is_shown_in_range():
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    same = contact_sheet.through(nn.Identity(), images)
    np.testing.assert_allclose(same, images / 255, atol=1e-6)
    wide = contact_sheet.through(Affine(10, -5), images)
    assert (wide.min(), wide.max()) == (0, 1)
    assert np.mean((wide == 0) | (wide == 1)) < 0.05  # scaled, and not cut
    flat = contact_sheet.through(Affine(0, -5), images)
    assert np.isfinite(flat).all()
    assert contact_sheet.through(nn.Conv2d(3, 8, 1), images).shape == images.shape
    assert torch.is_grad_enabled()


def test_help_is_quick_and_light():
    code = (
        "import sys; sys.argv = ['nasneurn', 'data', '--help']\n"
        "from nasneurn import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("prepare", "list", "preview"):
        assert command in done.stdout


@pytest.mark.slow
@pytest.mark.real_data
def test_preview_of_the_real_digits(run, tmp_path, real_data_dir):
    out = tmp_path / "digits.png"
    assert run("data", "preview", "--suite", "digits", "--out", out)[0] == 0
    assert load_suite("digits").domains == ("mnist", "mnistm", "svhn", "usps")
    assert out.stat().st_size > 50_000
