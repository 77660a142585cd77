"""Names of domains, classes and units are text, whatever else they look like."""

import io
import os
import unicodedata
from pathlib import Path

import pytest
from grid_rows import grid_rows, history_rows
from matplotlib.figure import Figure
from nasty_names import NAMES
from pets import fresh, make_pets
from rich.console import Console
from test_changed_images import planned

from nasneurn import progress
from nasneurn.domains.inventory import Entry, print_inventory
from nasneurn.errors import InputError
from nasneurn.progress import plain_console
from nasneurn.report.figures import write_figures
from nasneurn.report.style import write_figure
from nasneurn.report.tables import tables
from nasneurn.report.terminal import overall_view, status_view
from nasneurn.studies.folder import Study
from nasneurn.studies.standing import Standing
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import Training

LIKE_NUMBERS = ["1", "01", "True", "nan", "inf", "1e5", "None", "1.0"]
MARKUP = ["[/nope]", "[bold]x", ":smile:", "[link=x]y[/link]", *NAMES]


def console() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return plain_console(file=text, width=200), text


@pytest.mark.parametrize("name", MARKUP)
def test_no_name_is_markup(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    to, text = console()
    to.print(status_view(Standing({name: (3, 2, 1)}, ((name, name),), (name,), None)))
    assert text.getvalue().count(name) == 4
    to, text = console()
    rows = grid_rows(("a",), stems=("none", name), seeds=2)
    to.print(overall_view(rows))
    assert name in text.getvalue()
    print_inventory([Entry(name, "x", 1, 1, None, 3)])
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("name", ["[/nope]", "[bold]x"])
def test_no_bar_takes_a_name_for_markup(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr(progress, "console", plain_console(file=text, force_terminal=True))
    with progress.meter(name, 1) as bar:
        bar.advance(1, name)
    assert name in text.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["$\\frac$ and $"])
def test_no_name_begins_a_formula(name: str, tmp_path: Path) -> None:
    """Matplotlib refuses broken formulas when it draws."""
    rows = grid_rows((name,), stems=("none", "neurn"), seeds=2)
    rows = rows.replace({"source": {"mnist": name}, "target": {"mnist": name}})
    assert write_figures(rows, history_rows(rows), tmp_path)


def test_ticks_of_logarithmic_axes_are_no_formulas(tmp_path: Path) -> None:
    from nasneurn.report import diagnosis_figures

    source = Path(diagnosis_figures.__file__).read_text()
    assert source.count('set_yscale("log")') == source.count("yaxis.set_major_formatter")

    def draw() -> Figure:
        figure = Figure()
        figure.subplots().set_title("$")
        return figure

    assert write_figure(draw, tmp_path / "one.png").is_file()


def test_names_like_numbers_stay_apart_in_the_tables_of_a_study(
    tmp_path: Path, fresh_cache: Path
) -> None:
    root = make_pets(tmp_path / "pets")
    (root / "photo").rename(root / "1")
    (root / "sketch").rename(root / "01")
    for domain in ("1", "01"):
        (root / domain / "cat").rename(root / domain / "True")
        (root / domain / "dog").rename(root / domain / "nan")
    assert fresh(root).domains == ("01", "1")
    config = planned(root)
    study = Study(tmp_path / "out")
    config.write(study.config_path, {})
    assert type(config).read(study.config_path) == config
    for unit in config.units(Outcomes()):
        assert isinstance(unit, Training)
        key = {**unit.columns, "training": unit.identity}
        accuracy = [{**key, "target": target, "accuracy": 0.5} for target in unit.targets]
        classes = [
            {"training": unit.identity, "target": target, "class": name, "n": 2, "accuracy": 0.5}
            for target in unit.targets
            for name in ("True", "nan")
        ]
        study.store.finish(unit.identity, {"accuracy": accuracy, "classes": classes}, {})
    study.gather(config, study.store.outcomes())
    read = study.accuracy
    assert sorted(read["source"] + ">" + read["target"]) == ["01>01", "01>1", "1>01", "1>1"]
    assert sorted(study.classes["class"]) == ["True"] * 4 + ["nan"] * 4


def test_names_like_numbers_have_cells_of_their_own() -> None:
    rows = grid_rows(("a",), seeds=2, sources=("mnist", "usps"))
    named = dict(zip(["mnist", "mnistm", "svhn", "usps"], LIKE_NUMBERS, strict=False))
    renamed = rows.replace({"source": named, "target": named})
    plain, other = tables(rows), tables(renamed)
    assert set(plain) - set(other) <= {"published", "literature"}  # those of known domains
    for name, table in other.items():
        assert len(table.frame) == len(plain[name].frame)
    pairs = other["pairs"].frame
    assert set(pairs["source"]) | set(pairs["target"]) <= set(LIKE_NUMBERS[:4])


@pytest.mark.skipif(os.name != "posix", reason="other systems refuse such names themselves")
@pytest.mark.parametrize("place", ["", "photo"])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"caf\xe9", "is not text in UTF-8"),
        (b"two\nlines", "holds control characters"),
        ("e\u0301te\u0301".encode(), "composed otherwise"),
    ],
)
def test_names_that_would_not_come_back_are_refused(
    tmp_path: Path, fresh_cache: Path, name: bytes, told: str, place: str
) -> None:
    root = make_pets(tmp_path / "pets")
    (root / place / unicodedata.normalize("NFC", "e\u0301te\u0301")).mkdir()
    os.mkdir(os.path.join(os.fsencode(root / place), name))
    for domain in ("photo", "sketch"):
        for row in range(2 if place else 0):
            (root / domain / f"{row}").mkdir()
    with pytest.raises(InputError, match=told) as raised:
        fresh(root)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("name", "told"), [("a+b", "which joins the names"), ("a,b", "stands between the names")]
)
def test_a_domain_whose_name_reads_as_several_is_refused(
    tmp_path: Path, fresh_cache: Path, name: str, told: str
) -> None:
    root = make_pets(tmp_path / "pets")
    (root / "photo").rename(root / name)
    with pytest.raises(InputError, match=told):
        fresh(root)
