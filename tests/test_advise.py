"""Predicting what a stem gains from unlabelled images, and advising by it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from gain_pairs import gain_pairs
from in_process import run_command
from PIL import Image
from shows_itself import check_shown, other_axes
from tiny_bench import tiny_config

from nasneurn.api import read_config
from nasneurn.domains import Split, Suite, load_suite
from nasneurn.domains.graded_shifts import shift_images
from nasneurn.errors import InputError
from nasneurn.prediction import model_file
from nasneurn.prediction.known_pairs import known_pairs
from nasneurn.prediction.model_file import ModelFile, read_model
from nasneurn.prediction.pair_features import FEATURES, View, features, view
from nasneurn.prediction.predicting import Prediction, predict_pairs
from nasneurn.prediction.unlabelled import Unlabelled, folder_images, suite_images
from nasneurn.questions import advise, predict
from nasneurn.report.findings import ShownPrediction
from nasneurn.stems import create_stem
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun

CPU = torch.device("cpu")
DOMAINS = ("optdigits", "print", "street")
SHIFTS = ("contrast-3", "polarity-3")


# ---------------------------------------------------------------- features


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Two samples of one domain that share no image."""
    images = np.asarray(load_suite("builtin").images("optdigits", "train").images[:200])
    return images[:100], images[100:200]


def seen(images: np.ndarray, stem: str = "none") -> View:
    return view(Unlabelled("digits", images), create_stem(stem), CPU)


def of(source: np.ndarray, target: np.ndarray, stem: str = "neurn") -> dict[str, float]:
    found = features(seen(source), seen(target), seen(source, stem), seen(target, stem))
    assert list(found) == list(FEATURES)
    return found


def shifted(images: np.ndarray, shift: str, strength: int) -> np.ndarray:
    return shift_images(images, np.arange(len(images)), shift, strength)


def test_one_domain_is_no_distance_from_itself(digits: tuple[np.ndarray, np.ndarray]) -> None:
    found = of(*digits)
    # Writers differ between the halves, so it is not quite nothing.
    assert found["distance"] < 2
    for name in ("contrast", "polarity", "sharpness", "lifted", "blank", "saturated"):
        assert abs(found[name]) < 0.15, name


def test_without_a_stem_nothing_changes(digits: tuple[np.ndarray, np.ndarray]) -> None:
    found = of(digits[0], shifted(digits[1], "noise", 3), "none")
    assert found["distance_ratio"] == pytest.approx(0.0, abs=1e-12)
    assert found["spectrum_ratio"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("shift", ["polarity", "contrast"])
def test_what_neurn_cannot_see_it_takes_away(
    digits: tuple[np.ndarray, np.ndarray], shift: str
) -> None:
    plain, found = of(*digits), of(digits[0], shifted(digits[1], shift, 3))
    assert found["distance"] > plain["distance"] + 1
    assert found["distance_ratio"] < plain["distance_ratio"] - 1


@pytest.mark.slow
def test_each_feature_tells_its_shift(digits: tuple[np.ndarray, np.ndarray]) -> None:
    plain = of(*digits)

    def change(shift: str, strength: int, name: str) -> float:
        return of(digits[0], shifted(digits[1], shift, strength))[name] - plain[name]

    assert change("contrast", 2, "contrast") == pytest.approx(np.log(1 / 4), abs=0.05)
    assert change("polarity", 3, "polarity") > 1
    assert change("blur", 3, "sharpness") < -1
    assert change("noise", 3, "lifted") > 0.3
    assert change("noise", 3, "blank") < -0.3
    assert change("contrast", 3, "saturated") < -0.3


def test_features_do_not_change_with_the_scale_of_a_stem(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = create_stem("neurn")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 8 * self.stem(x)

    target = shifted(digits[1], "background", 1)
    images = [Unlabelled("digits", one) for one in (digits[0], target)]
    plain = [seen(one.images) for one in images]
    found = features(*plain, *(view(one, Scaled(), CPU) for one in images))
    assert found == pytest.approx(of(digits[0], target), rel=1e-4, abs=1e-6)


def test_images_of_which_half_are_alike_are_refused(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    order = np.random.default_rng(0).permutation(20)
    images = digits[0][:20].copy()
    images[order[:10]] = images[order[0]]  # the first of the halves that are compared
    alike, plain = seen(images), seen(digits[0])
    with pytest.raises(
        InputError, match="digits: half of its images are all alike, or none differs"
    ):
        features(alike, plain, alike, plain)


def test_blank_images_are_refused() -> None:
    with pytest.raises(InputError, match="nothing can be said of it"):
        seen(np.full((30, 32, 32, 3), 7, np.uint8))


# ---------------------------------------------------------------- images without labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = load_suite("builtin").images("print", "test").images[:40]
    (tmp_path / "mine" / "deeper").mkdir(parents=True)
    for number, pixels in enumerate(images):
        below = "deeper" if number % 2 else ""
        Image.fromarray(pixels).save(tmp_path / "mine" / below / f"{number:02d}.png")
    (tmp_path / "mine" / "notes.txt").write_text("no image")
    return tmp_path / "mine"


def test_folders_are_read_with_all_that_is_in_them(folder: Path) -> None:
    found = folder_images(folder, 32, 500)
    assert found.images.shape == (40, 32, 32, 3)
    assert found.name == "mine"
    assert found.unreadable == ()
    assert len(folder_images(folder, 16, 25).images) == 25


def test_few_unreadable_images_are_listed_and_many_refused(folder: Path) -> None:
    for number in (1, 2):
        (folder / f"broken{number}.png").write_bytes(b"no image")
    assert folder_images(folder, 32, 500).unreadable == ("broken1.png", "broken2.png")
    (folder / "broken3.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"3 of 43 images cannot be read \(broken1.png, .*5%"):
        folder_images(folder, 32, 500)


@pytest.mark.parametrize(
    ("keep", "told"), [(0, "holds no image"), (19, "19 images are too few"), (-1, "no such folder")]
)
def test_too_few_images(folder: Path, keep: int, told: str) -> None:
    if keep < 0:
        folder = folder / "nowhere"
    for path in sorted(folder.rglob("*.png"))[max(keep, 0) :]:
        path.unlink()
    with pytest.raises(InputError, match=told):
        folder_images(folder, 32, 500)


def test_joined_sources_give_as_many_images_each() -> None:
    suite = load_suite("builtin")
    both = suite_images(suite, ("optdigits", "print"), "train", 100)
    assert both.name == "optdigits+print"
    alone = suite_images(suite, ("print",), "train", 50)
    np.testing.assert_array_equal(both.images[50:], alone.images)


# ---------------------------------------------------------------- a study, predicted


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny grid over three domains and what two shifts make of them."""
    out = tmp_path_factory.mktemp("studies") / "tiny"
    config = tiny_config(
        models=["own_networks:SmallCNN"],
        suite="builtin+shifts",
        sources_named=[",".join(DOMAINS)],
        targets=[",".join([*DOMAINS, *(f"{one}~{by}" for one in DOMAINS for by in SHIFTS)])],
        changes={"train_images": 100, "epochs": 1},
    )
    StudyRun(config, out, Execution(device="cpu")).run()
    return out


@pytest.fixture(scope="module")
def predicted(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Prediction, Path]:
    out = tmp_path_factory.mktemp("predict")
    return predict(study, images=100, out=out, device="cpu", figure_format="pdf"), out


def test_a_study_is_predicted(predicted: tuple[Prediction, Path], study: Path) -> None:
    found, out = predicted
    assert len(found.pairs) == 3 * 9 - 3
    row = found.pairs.set_index(["source", "target"]).loc[("print", "street~contrast-3")]
    rows = Study(study).accuracy.set_index(["source", "target", "stem"])["accuracy"]
    own = rows.sort_index()["print", "street~contrast-3"]
    assert row["gain"] == pytest.approx(100 * (own["neurn"] - own["none"]))
    assert (row["suite"], row["base"], row["shift"]) == ("builtin", "street", "contrast")
    assert list(found.scores["left_out"]) == ["domain", "shift"]
    assert list(found.scores["groups"]) == [3, 3]
    assert set(found.left_out["group"]) == {*DOMAINS, "none", "contrast", "polarity"}
    assert any("no suite was left out" in note for note in found.notes)
    for name in ("pairs", "left_out", "scores", "groups", "coefficients"):
        table = pd.read_csv(out / f"{name}.csv")
        assert len(table) == len(getattr(found, name))
    assert Image.open(out / "predicted.png").width > 500
    assert (out / "captions.txt").read_text().startswith("predicted.png: Gains that were predicted")
    assert (out / "predicted.pdf").read_bytes().startswith(b"%PDF")
    assert isinstance(found, ShownPrediction)
    check_shown(found)
    axes = other_axes()
    assert found.plot_predicted(axes, left_out="shift") is axes
    assert "shifts left out" in axes.get_title()
    with pytest.raises(InputError, match="left_out is 'suite'"):
        found.plot_predicted(left_out="suite")


def test_the_model_is_plain_numbers_that_give_the_same(predicted: tuple[Prediction, Path]) -> None:
    found, out = predicted
    read = read_model(out / "model.json")
    assert read.stems == found.models
    assert read.image_size == 32
    assert read.studies == ("tiny",)
    pair = found.pairs.iloc[3]
    advice = advise(
        pair["source"], pair["target"], suite="builtin+shifts", model=out / "model.json",
        device="cpu",
    )  # fmt: skip
    model = found.models[0]
    values = pair[list(model.model.features)].to_numpy(float)
    assert advice.gain == pytest.approx(model.model.predict([values])[0])
    assert (advice.low, advice.high) == (advice.gain - model.reach, advice.gain + model.reach)
    first = advice.nearest[0]
    assert (first.source, first.target) == (pair["source"], pair["target"])
    assert first.distance == pytest.approx(0, abs=1e-9)
    assert first.gain == pytest.approx(pair["gain"])
    assert not advice.outside


def test_the_same_study_gives_the_same_files(
    predicted: tuple[Prediction, Path], study: Path, tmp_path: Path
) -> None:
    predict(study, images=100, out=tmp_path, device="cpu")
    for path in predicted[1].glob("*.[cj]s*"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


class _Spy:
    """Stands for labels that no one may look at."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise AssertionError("labels were looked at")

    def __set__(self, instance: object, value: object) -> None:
        pass


@pytest.fixture
def no_labels(monkeypatch: pytest.MonkeyPatch) -> Suite:
    """The built-in suite with shifts, read before; from now on no one may see a label."""
    suite = load_suite("builtin+shifts")
    for domain in suite.domains:
        for part in ("train", "test") if domain in suite.trainable else ("test",):
            suite.images(domain, part)  # type: ignore[arg-type]
    monkeypatch.setattr(Split, "labels", _Spy(), raising=False)

    def refuse(*arguments: object) -> None:
        raise AssertionError("labels were looked at")

    monkeypatch.setattr(Suite, "labels", refuse)
    with pytest.raises(AssertionError, match="looked at"):
        _ = suite.images("print", "test").labels
    return suite


def test_advice_touches_no_label(predicted: tuple[Prediction, Path], no_labels: Suite) -> None:
    for suite, target in (("builtin", "print"), ("builtin+shifts", "print~polarity-3")):
        advice = advise(
            "street", target, suite=suite, model=predicted[1] / "model.json", device="cpu"
        )
        assert np.isfinite(advice.gain)


def test_advice_on_plain_folders(predicted: tuple[Prediction, Path], folder: Path) -> None:
    model = predicted[1] / "model.json"
    (folder / "broken.png").write_bytes(b"no image")
    other = (folder / "deeper").rename(folder.parent / "deeper")
    advice = advise(folder, other, model=model, device="cpu")
    assert advice.unreadable == ("mine/broken.png",)
    assert (advice.source, advice.target) == ("mine", "deeper")
    with pytest.raises(InputError, match="no such folder"):
        advise(folder, folder.parent / "nowhere", model=model, device="cpu")


# ---------------------------------------------------------------- what is said


def known(**changes: Any) -> ModelFile:
    """A model of a planted effect on the features that there are."""
    pairs = gain_pairs(effect=8.0, noise=1.0)
    named = dict(zip(("first", "second", "third", "fourth"), FEATURES, strict=False))
    (model,) = predict_pairs(pairs.rename(columns=named)).models
    model = model.model_copy(update=changes)
    return ModelFile(
        version=model_file.VERSION, nasneurn="0", studies=("x",), image_size=32, images=100,
        stems=(model,),
    )  # fmt: skip


def edited(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A model's file with other numbers in its linear model."""
    (stem,) = content["stems"]
    return {**content, "stems": [{**stem, "model": {**stem["model"], **changes}}]}


def advice_at(values: dict[str, float], **changes: Any) -> Any:
    from nasneurn.prediction.advice import _advice

    (model,) = known(**changes).stems
    middle = dict(zip(model.model.features, model.model.mean, strict=True))
    return _advice(model, "a", "b", {**dict.fromkeys(FEATURES, 0.0), **middle, **values}, ())


def test_a_gain_beyond_errors_is_advised_and_a_loss_advised_against() -> None:
    first = next(iter(FEATURES))
    gain, loss, small = (advice_at({first: value}) for value in (1.2, -1.2, 0.0))
    assert gain.verdict == "use"
    assert gain.sentence.startswith("Use neurn: it is expected to change accuracy from a to b by +")
    assert loss.verdict == "do not use"
    assert small.verdict == "unsure"
    assert "may be a gain or a loss" in small.sentence
    assert len(gain.nearest) == 3


def test_far_from_all_known_pairs_it_is_not_sure() -> None:
    first = next(iter(FEATURES))
    far = advice_at({first: 30.0})
    assert far.outside
    assert far.verdict == "unsure"
    assert far.far == (first,)
    assert f"unlike all pairs that the model has seen ({first})" in far.sentence


def test_a_model_that_is_no_better_than_the_mean_advises_nothing() -> None:
    advice = advice_at({next(iter(FEATURES)): 1.2}, beats_mean=False)
    assert advice.verdict == "unsure"
    assert "no better than the mean gain" in advice.sentence


def test_a_model_without_signal_knows_it() -> None:
    named = dict(zip(("first", "second", "third", "fourth"), FEATURES, strict=False))
    (model,) = predict_pairs(gain_pairs(seed=1).rename(columns=named)).models
    assert not model.beats_mean
    assert known().stems[0].beats_mean


# ---------------------------------------------------------------- bad input


def renamed(**options: Any) -> pd.DataFrame:
    named = dict(zip(("first", "second", "third", "fourth"), FEATURES, strict=False))
    return gain_pairs(**options).rename(columns=named)


def test_one_source_is_refused() -> None:
    with pytest.raises(InputError, match="all pairs have the source svhn"):
        predict_pairs(renamed(sources=("svhn",)))


def test_two_domains_are_refused() -> None:
    with pytest.raises(InputError, match="the targets are mnist and svhn; at least 3 domains"):
        predict_pairs(renamed(targets=("mnist", "svhn")))


def test_too_few_pairs_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"6 pairs have been measured \(svhn to mnist, "):
        predict_pairs(renamed().iloc[[1, 2, 16, 18, 31, 32]])
    plain = renamed()[lambda table: table["shift"] == "none"]
    with pytest.raises(InputError, match="without mnist as source and as target there are 6"):
        predict_pairs(plain)


def test_constant_columns() -> None:
    pairs = renamed()
    one, *others = [name for name in FEATURES if name in pairs]
    found = predict_pairs(pairs.assign(**{one: 3.0}))
    assert f"neurn: left out, since they do not vary: {one}" in found.notes
    assert one not in found.models[0].model.features
    with pytest.raises(InputError, match="no feature varies over the 60 pairs"):
        predict_pairs(pairs.assign(**dict.fromkeys([one, *others], 3.0)))
    with pytest.raises(InputError, match="the gain is 2 points on each of 60 pairs"):
        predict_pairs(pairs.assign(gain=2.0))
    with pytest.raises(InputError, match="not a number"):
        predict_pairs(pairs.assign(**{one: np.nan}))


def test_too_few_pairs_are_refused_before_images_are_read(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = "nasneurn.prediction.known_pairs._with_features"
    monkeypatch.setattr(unread, lambda *_: pytest.fail("images are read"))
    monkeypatch.setattr("nasneurn.prediction.predicting.FEWEST", 1000)
    with pytest.raises(InputError, match="pairs have been measured"):
        predict(study)


def test_stems_that_are_not_there(study: Path) -> None:
    with pytest.raises(InputError, match="stem 'sobel' is not in the studies; they have none, neu"):
        predict(study, stems="sobel")
    with pytest.raises(InputError, match="stem 'grey' is not in the studies"):
        predict(study, control="grey")
    with pytest.raises(InputError, match="no stem beside none"):
        predict(study, stems="none")
    with pytest.raises(InputError, match="nothing does not exist"):
        predict(study / "nothing")


def rows_of(gains: dict[tuple[str, int], float], target: str = "street") -> pd.DataFrame:
    """Rows from print, of some networks and seeds that gain so many points."""
    about = {"suite": "builtin", "algorithm": "erm", "source": "print", "target": target}
    return pd.DataFrame(
        {**about, "architecture": name, "seed": seed, "stem": stem, "accuracy": 0.4 + gain / 100}
        for (name, seed), points in gains.items()
        for stem, gain in (("none", 0.0), ("neurn", points))
    )


def test_pairs_that_several_studies_measured_are_pooled(study: Path) -> None:
    """Over networks, each of which has one vote; in whatever order the studies are named."""
    config = read_config(study / "config.yaml")
    tables = [
        rows_of({("first", 0): 30.0}),
        rows_of({("second", 0): 10.0, ("second", 1): 20.0, ("second", 2): 30.0}),
        rows_of({("first", 0): 30.0}),  # the same once more
    ]
    studies = [(WithRows(study, rows), config) for rows in tables]
    for some in (studies, studies[::-1]):
        (row,) = known_pairs(some, images=40).to_dict(orient="records")
        assert row["gain"] == pytest.approx(25.0)
        assert row["seeds"] == 3
        # Of the seeds alone: 10 points above and below, where both networks have seed 0.
        assert row["deviation"] == pytest.approx(np.std([-5.0, 0.0, 10.0], ddof=1))


class WithRows(Study):
    """A study with other rows."""

    def __init__(self, folder: Path, rows: pd.DataFrame) -> None:
        super().__init__(folder)
        self._rows = rows

    @property
    def accuracy(self) -> pd.DataFrame:
        return self._rows


def test_code_that_rows_or_a_model_name_is_not_imported_unasked(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Study, "accuracy", rows_of({("net", 0): 1.0}).replace("neurn", "evil:X"))
    with pytest.raises(InputError, match=r"names code .* \(evil:X\); say --trust-code"):
        predict(study)
    with pytest.raises(InputError, match="evil"):  # typed, and looked for
        predict(study, stems="evil:X", out=tmp_path)
    path = known(control="subprocess:getoutput:cmd=exit").write(tmp_path / "model.json")
    with pytest.raises(InputError, match=r"\(subprocess:getoutput\); say --trust-code"):
        advise("print", "street", model=path)


def test_other_images_than_those_of_the_study_are_refused(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasneurn.domains.graded_shifts.SEED", 1)
    with pytest.raises(InputError, match="are others here than those of the study"):
        predict(study)


def test_studies_of_two_sizes_and_of_an_oracle_are_refused(study: Path) -> None:
    from nasneurn.api import read_config

    config = read_config(study / "config.yaml")
    small = config.model_copy(update={"image_size": 16})
    other = Study(study / ".")
    with pytest.raises(InputError, match="images of several sizes"):
        known_pairs([(Study(study), config), (Study(study / "../tiny"), small)])
    rows = other.accuracy.assign(selection="oracle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "accuracy", rows)
        with pytest.raises(InputError, match="selected on target images"):
            known_pairs([(other, config)])


def test_a_model_comes_with_the_package() -> None:
    """It is that of the committed study, and says itself how far it can be trusted."""
    study = Path(__file__).parents[1] / "results" / "predict" / "model.json"
    assert model_file.PACKAGED.read_bytes() == study.read_bytes()
    found = advise("print", "street")
    (one,) = read_model(None).stems
    assert not one.beats_mean
    assert "no better than the mean gain" in found.sentence


def test_models_that_cannot_be_used(tmp_path: Path) -> None:
    path = known().write(tmp_path / "model.json")
    assert read_model(path) == known()
    with pytest.raises(InputError, match="knows nothing of the stem 'sobel'; it knows neurn"):
        advise("print", "street", stem="sobel", model=path)
    content = json.loads(path.read_text())
    (stem,) = content["stems"]
    short = [{**stem["pairs"][0], "features": [1.0]}]
    for changed, told in (
        ({**content, "version": 0}, "a model of version 0"),
        ({**content, "stems": 3}, "not a readable model"),
        ([], "not a readable model"),
        (edited(content, coefficients=[1.0]), "a number for each feature"),
        (edited(content, scale=[0.0] * 4), "scale is .* must be above 0"),
        (edited(content, features=["foo", *FEATURES][:4]), "no feature is called 'foo'"),
        ({**content, "stems": [{**stem, "pairs": []}]}, "there must be pairs, with 4 features"),
        ({**content, "stems": [{**stem, "pairs": short}]}, "there must be pairs, with 4 features"),
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=told):
            read_model(path)
    path.write_text("{")
    with pytest.raises(InputError, match="not a readable model"):
        read_model(path)


def test_domains_that_cannot_be_advised_on(tmp_path: Path) -> None:
    path = known().write(tmp_path / "model.json")
    for source, target, told in (
        ("mars", "print", "no domain 'mars'"),
        ("print", "mars", "no domain 'mars'"),
        ("print", "print", "source and target are both print"),
        ("print~blur-1", "street", "never trained on"),
    ):
        with pytest.raises(InputError, match=told):
            advise(source, target, suite="builtin+shifts", model=path, device="cpu")


def test_a_folder_is_no_target_of_itself(folder: Path, tmp_path: Path) -> None:
    path = known().write(tmp_path / "model.json")
    link = tmp_path / "link"
    link.symlink_to(folder)
    for other in (folder, link, folder / ".." / folder.name, folder.parent):
        with pytest.raises(InputError, match="source and target are both"):
            advise(folder, other, model=path, device="cpu")
    with pytest.raises(InputError, match="split files are of suites"):
        advise(folder, tmp_path, model=path, splits=tmp_path / "a.csv", device="cpu")


def test_a_stem_is_known_by_any_spelling(tmp_path: Path) -> None:
    path = known().write(tmp_path / "model.json")
    plain, spelled = (
        advise("print", "street", stem=stem, model=path, device="cpu")
        for stem in ("neurn", "neurn:k=3")
    )
    assert plain == spelled


# ---------------------------------------------------------------- commands


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    assert run_command(monkeypatch, *arguments) == 0


def test_commands(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    command(monkeypatch, "predict", study, "--images", 60, "--out", tmp_path / "p")
    told = capfd.readouterr().out
    assert "neurn, each domain left out (3 groups, 24 pairs): mean error" in told
    assert "neurn, each shift left out (3 groups" in told
    model = tmp_path / "p" / "model.json"
    pair = ["--source", "print", "--target", "street", "--model", model]
    command(monkeypatch, "advise", *pair)
    sentence, nearest, *pairs = capfd.readouterr().out.splitlines()
    assert "neurn" in sentence
    assert "from print to street" in sentence
    assert nearest == "The known pairs that are most like it:"
    assert pairs[0].startswith("  builtin: print to street, ")
    command(monkeypatch, "advise", *pair, "--json")
    assert json.loads(capfd.readouterr().out)["sentence"] == sentence
