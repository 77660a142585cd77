"""What a program asks of a study, most of one that is done: tables, which are written to files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nasneurn.api import load_results, read_config
from nasneurn.choices import Choice, refuse_code, split_choices
from nasneurn.errors import InputError, check_whole
from nasneurn.files import real, results_file, results_folder
from nasneurn.programs.given_words import words

if TYPE_CHECKING:
    from nasneurn.prediction.advice import Advice
    from nasneurn.programs.shown import ShownStudy
    from nasneurn.report.content import Content
    from nasneurn.report.findings import ShownCorrelation, ShownDiagnosis, ShownPrediction
    from nasneurn.studies.config import StudyConfig


def diagnose(
    study: Path | str,
    *,
    pairs: str | Sequence[str] = (),
    stems: str | Sequence[str] = (),
    images: int = 500,
    corrupted: int = 200,
    out: Path | str | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    trust_code: bool = False,
    figure_format: str = "png",
) -> "ShownDiagnosis":
    """What the stems of a study change: in images, in features and in answers.

    Nothing is trained. What needs saved predictions or weights is left out where the study has
    none, and ``notes`` of the result say so.

    Args:
        study: the folder of the study.
        pairs: ``source:target``, by default all of the study.
        stems: by default all of the study; ``none`` is always among them.
        images: at most so many test images of each domain, for distances and statistics.
        corrupted: at most so many of them under corruptions; 0 leaves these out.
        out: where tables and figures are written; by default ``diagnosis`` in the study's folder.
        data_dir: the folder of the files of ``digits``.
        device: auto, cpu or cuda.
        trust_code: also import the code that the study names.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Raises:
        InputError: the folder holds no study or no rows, a pair or stem is not in it, its images
            are others here, it names code without ``trust_code``, or the format is unknown.
    """
    _check_format(figure_format)
    from nasneurn.report.diagnosis_files import write_diagnosis
    from nasneurn.report.findings import ShownDiagnosis

    loaded = load_results(study)
    folder = results_folder(loaded.folder / "diagnosis" if out is None else out)
    config = read_config(loaded.config_path)
    refuse_code(loaded.config_path, config.code, trust_code)
    from nasneurn.diagnosis.diagnose import diagnose_study
    from nasneurn.studies.own_code import kept_digests, refuse_other_code
    from nasneurn.training.devices import choose_device

    refuse_other_code(kept_digests(loaded.config_path), config.named)
    found = diagnose_study(
        loaded,
        config,
        config.open_suite(data_dir),
        choose_device(device),
        pairs=words(pairs),
        stems=words(stems),
        images=images,
        corrupted=corrupted,
    )
    write_diagnosis(found, folder, figure_format)
    return ShownDiagnosis.of(found)


def predict(
    studies: Path | str | Sequence[Path | str],
    *,
    stems: str | Sequence[str] = (),
    control: str = "none",
    images: int = 500,
    out: Path | str = Path("results/predict"),
    data_dir: Path | None = None,
    device: str = "auto",
    trust_code: bool = False,
    figure_format: str = "png",
) -> "ShownPrediction":
    """Fit a model of what stems gain on pairs of domains, and judge it on unknown domains.

    The model sees unlabelled images of source and target alone. Nothing is trained.

    Args:
        studies: the folder of one study, or of several of images of one size.
        stems: by default all of the studies but the control.
        control: the stem that gains are measured from.
        images: at most so many images of each domain, for the features.
        out: where tables, the figure and ``model.json`` are written.
        data_dir: the folder of the files of ``digits``.
        device: auto, cpu or cuda.
        trust_code: import code that the rows of a study name, and that is not named here.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Raises:
        InputError: no study, rows, stem or control as asked for, images that are others here, too
            few pairs, sources or domains, or the format is unknown.
    """
    check_whole("images", images, 1)
    _check_format(figure_format)
    from nasneurn.analysis.chance import chance_note
    from nasneurn.environment import environment
    from nasneurn.prediction.known_pairs import known_pairs
    from nasneurn.prediction.model_file import VERSION, ModelFile
    from nasneurn.prediction.predicting import check_pairs, predict_pairs
    from nasneurn.report.findings import ShownPrediction
    from nasneurn.report.prediction_files import write_prediction
    from nasneurn.training.devices import choose_device

    folder = results_folder(out)
    measured, asked = _opened(studies), split_choices(words(stems))
    for study, _ in measured:
        there = asked or list(dict.fromkeys(study.accuracy["stem"].astype(str)))
        refuse_code(study.folder, _paths_among(there, typed=[*asked, control]), trust_code)
    pairs = known_pairs(
        measured,
        stems=asked,
        control=control,
        images=images,
        data_dir=data_dir,
        device=choose_device(device),
        check=check_pairs,
    )
    found = predict_pairs(pairs, control)
    guessing = [(study.folder, chance_note(study.accuracy)) for study, _ in measured]
    notes = [f"{folder}: {note}" for folder, note in guessing if note]
    found = replace(found, notes=(*found.notes, *notes))
    model = ModelFile(
        version=VERSION,
        nasneurn=environment()["nasneurn"],
        studies=tuple(study.folder.resolve().name for study, _ in measured),
        image_size=measured[0][1].image_size,
        images=images,
        stems=found.models,
    )
    write_prediction(found, model, folder, figure_format)
    return ShownPrediction.of(found)


def _paths_among(words: Sequence[str], typed: Sequence[str] = ()) -> list[str]:
    """The import paths among words such as ``neurn:k=5``, but for those that a person typed."""
    names = dict.fromkeys(Choice.parse(word).name for word in words if word not in typed)
    return [name for name in names if ":" in name]


def advise(
    source: str | Path,
    target: str | Path,
    *,
    stem: str = "neurn",
    suite: str | Path | None = None,
    model: Path | str | None = None,
    splits: Path | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    trust_code: bool = False,
) -> "Advice":
    """Whether a stem will gain on a pair of domains, before any training and without labels.

    Args:
        source: a domain of the suite, several joined by "+", or a folder of images.
        target: a domain of the suite, or a folder of images.
        stem: the stem to use or not.
        suite: the suite; by default "builtin", unless source and target are folders.
        model: the ``model.json`` of :func:`predict`; by default that of the package.
        splits: the split file of a suite that is a folder.
        data_dir: the folder of the files of ``digits``.
        device: auto, cpu or cuda.
        trust_code: import code that the model names.

    Raises:
        InputError: no such model, stem, domain or folder; too few images, or too many that cannot
            be read; code is named without ``trust_code``.
    """
    from nasneurn.domains import load_suite
    from nasneurn.prediction.advice import advise_on_images, advise_on_suite, both
    from nasneurn.prediction.model_file import read_model
    from nasneurn.prediction.unlabelled import folder_images
    from nasneurn.stems import STEMS
    from nasneurn.training.devices import choose_device

    known, where = read_model(None if model is None else Path(model)), choose_device(device)
    stem = str(STEMS.choose(stem))
    control = known.of(stem).control  # before images are read
    refuse_code(str(model or "the model"), _paths_among([control], typed=[stem]), trust_code)
    if suite is not None or not (Path(source).is_dir() or Path(target).is_dir()):
        domains = load_suite(
            "builtin" if suite is None else suite,
            data_dir=data_dir,
            size=known.image_size,
            splits=splits,
        )
        return advise_on_suite(known, stem, domains, str(source), str(target), where)
    if splits is not None:
        raise InputError(f"splits is {splits}: split files are of suites, and these are folders")
    ways = [real(Path(source)), real(Path(target))]
    if ways[0].is_relative_to(ways[1]) or ways[1].is_relative_to(ways[0]):
        raise both(source)
    images = [  # without "..", so that each has a name
        folder_images(Path(os.path.abspath(folder)), known.image_size, known.images)
        for folder in (source, target)
    ]
    return advise_on_images(known, stem, images[0], images[1], where)


def correlate(
    studies: Path | str | Sequence[Path | str],
    *,
    stem: str = "neurn",
    control: str = "none",
    kind: str = "euclidean",
    where: Mapping[str, str] | None = None,
    neighbours: int = 3,
    random_features: bool = True,
    permutations: int = 9999,
    out: Path | str = Path("results/correlate"),
    figures: bool = True,
    jobs: int | None = None,
    trust_code: bool = False,
    figure_format: str = "png",
) -> "ShownCorrelation":
    """Test whether alignment, or something simpler, says which architectures gain by a stem.

    Nothing is trained. Distances between architectures are compared with distances between their
    gains over pairs of domains.

    Args:
        studies: the folder of one study, or of several.
        stem, control: what the gains are of.
        kind: how gains are compared: ``euclidean``, or ``correlation`` (1 - correlation).
        where: by column the value of the rows that count, such as ``{"algorithm": "erm"}``.
        neighbours: how many nearest architectures predict a gain.
        random_features: also compare networks by features of random weights, which runs them.
        permutations: of each test.
        out: where tables, figures and the summary are written.
        figures: whether they are drawn.
        jobs: processes that trace; all cores by default.
        trust_code: also import the code that the studies name.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Raises:
        InputError: no study, rows that are too few, code without ``trust_code``, or the format is
            unknown.
        AlignmentError: an architecture that cannot be traced.
    """
    for name, value in {"neighbours": neighbours, "permutations": permutations}.items():
        check_whole(name, value, 1)
    if jobs is not None:
        check_whole("jobs", jobs, 1)
    if where is not None and not isinstance(where, Mapping):
        raise InputError(f"where is {where!r}, must be a mapping such as {{'algorithm': 'erm'}}")
    _check_format(figure_format)
    from nasneurn.correlation.gain_correlation import correlate_studies
    from nasneurn.report.correlation_report import write_correlation
    from nasneurn.report.findings import ShownCorrelation

    folder = results_folder(out)
    found = correlate_studies(
        words(studies),
        stem=stem,
        control=control,
        kind=kind,
        where=where,
        neighbours=neighbours,
        random_features=random_features,
        permutations=permutations,
        jobs=jobs,
        trust_code=trust_code,
    )
    write_correlation(found, folder, figures=figures, figure_format=figure_format)
    return ShownCorrelation.of(found)


def report(
    studies: Path | str | Sequence[Path | str],
    *,
    out: Path | str | None = None,
    format: str = "html",
    trust_code: bool = False,
) -> "tuple[Path, list[Content]]":
    """Write one file that shows all of studies and alignments; return its path and what it shows.

    Nothing is trained. Of an unfinished study it shows what is done.

    Args:
        studies: the folder of one study or alignment, or of several.
        out: the file; by default ``report.html`` in the folder, of several in this one.
        format: ``html``, a page with figures; ``md`` or ``tex``, headline and tables.
        trust_code: also import the code that studies name, to tell how far they are.

    Raises:
        InputError: a folder holds neither, a table of it is damaged, the format is unknown, or
            the file cannot be written.
    """
    from nasneurn.choices import check_known
    from nasneurn.report.page import FORMATS, SUFFIXES, write_report

    check_known("format", format, FORMATS)
    folders = [Path(folder) for folder in _unique(studies)]
    usual = (folders[0] if len(folders) == 1 else Path()) / f"report.{format}"
    path = results_file(out, usual)
    if path.suffix.lower() not in SUFFIXES[format]:
        raise InputError(f"out is {path}; the name of a report in {format} ends in .{format}")
    contents = [_content(folder, trust_code, format == "html") for folder in folders]
    write_report(contents, path, format)
    return path, contents


def _check_format(figure_format: str) -> None:
    """Refuse an unknown format of figures before any work."""
    from alignment.outputs import FIGURE_FORMATS
    from nasneurn.choices import check_known

    check_known("figure format", figure_format, FIGURE_FORMATS)


def _content(folder: Path, trust_code: bool, figures: bool) -> "Content":
    from alignment.outputs import KIND
    from nasneurn.configuration import read_yaml
    from nasneurn.report.alignment_content import alignment_content
    from nasneurn.report.study_content import study_content

    config = folder / "config.yaml"
    if config.is_file() and read_yaml(config).get("kind") == KIND:
        return alignment_content(folder, figures=figures)
    study = load_results(folder)
    return study_content(
        study, read_config(study.config_path), trust_code=trust_code, figures=figures
    )


def _opened(
    folders: Path | str | Sequence[Path | str],
) -> "list[tuple[ShownStudy, StudyConfig]]":
    """The studies of some folders, each once, with their configurations."""
    loaded = map(load_results, _unique(folders))
    return [(study, read_config(study.config_path)) for study in loaded]


def _unique(folders: Path | str | Sequence[Path | str]) -> list[Path | str]:
    unique = {real(Path(folder)): folder for folder in words(folders)}
    if not unique:
        raise InputError("no study; name the folder of one or more")
    return list(unique.values())
