"""Options that several commands take, in one dialect."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nasneurn.choices import parse_assignment
from nasneurn.errors import InputError
from nasneurn.files import check_file_target, check_folder_target

if TYPE_CHECKING:
    from nasneurn.studies.run import Execution


def out_folder(folder: Path | None) -> Path | None:
    """Callback of an option: see, before anything else is done, that the folder can be written."""
    if folder is not None:
        check_folder_target(folder)
    return folder


def out_file(file: Path | None) -> Path | None:
    """The same of a file."""
    if file is not None:
        check_file_target(file)
    return file


DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the prepared npz files."),
]
Suite = Annotated[
    str,
    typer.Option(
        help="builtin, digits, digits-resized, digits+syn, digits-resized+syn or a folder of "
        "<domain>/<class>/<images>."
    ),
]
SuiteOrUsual = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="builtin, digits, digits-resized, digits+syn, digits-resized+syn or a folder of "
        "<domain>/<class>/<images>; +shifts after it adds shifted test images as targets.",
    ),
]
ImageSize = Annotated[int | None, typer.Option(help="Side of the images in pixels.")]
Splits = Annotated[
    Path | None,
    typer.Option(help="For a folder: a CSV file of path,split, or the folder of PACS's lists."),
]
STEMS = (
    "What images go through first: none, neurn, grey, instance_norm, local_contrast_norm, "
    "local_response_norm, sobel, neurn_grey, neurn_scales, neurn_resized, each also as "
    "NAME:option=value,..., or module:Name of your own; commas between, or repeated."
)
Stems = Annotated[list[str] | None, typer.Option(help=STEMS)]
Algorithms = Annotated[
    list[str] | None,
    typer.Option(
        help="How networks are trained: erm (plainly), randconv, pro_randconv, mixstyle, fourier, "
        "augmix, trivial_augment, rand_augment, ada, me_ada, dann, coral, sam, ema, swa, or "
        "module:Name of your own; with options, and several, as --stems."
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        help="Domains to train on, each by itself; a+b joins two; all is each of them; "
        "leave-one-out is, for each domain, all the others joined."
    ),
]
Targets = Annotated[list[str] | None, typer.Option(help="Domains to measure on.")]
Seeds = Annotated[
    list[str] | None, typer.Option(help="How many seeds, from 0 up; or a list: 0,3,7.")
]
BUDGET = (
    "Settings of trainings (images, passes, ...): quick, standard, paper, single-source-digits."
)
BudgetName = Annotated[str, typer.Option(help=BUDGET)]
BudgetOrUsual = Annotated[str | None, typer.Option("--budget", help=BUDGET)]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Other defaults for models, suite, sources, seeds and budget: those of "
        "single-source-digits (the literature's), leave-one-out (DomainBed's) or paper.",
    ),
]
AdaptationName = Annotated[
    str | None,
    typer.Option(
        "--adaptation",
        help="How networks of timm and torchvision take small images: fit removes their first "
        "strides, until the last map has 4 x 4 positions; as-published removes none.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change one setting of --budget, such as epochs=5; of a search also "
        "supernet.field=value; may be repeated.",
    ),
]
PrecisionName = Annotated[
    str, typer.Option(help="Arithmetic of trainings: 32, bf16, or auto (bf16 on a GPU, else 32).")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Run the study of this config.yaml; it takes the place of other options."
    ),
]
Workers = Annotated[
    int,
    typer.Option(min=1, help="Trainings or supernets at once; more than one: --engine local."),
]
Engine = Annotated[
    str | None, typer.Option(help="Where work is done: here, local (worker processes) or ray.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto (a GPU where there is one).")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Also try again what failed before.")
]
Extend = Annotated[
    bool, typer.Option("--extend", help="Add what this command names to the study in the folder.")
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code", help="Import code of others that a file, such as a config.yaml, names."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]

SavePredictions = Annotated[
    bool,
    typer.Option(
        "--save-predictions", help="Keep the logits of all test images, as Parquet files."
    ),
]
SaveWeights = Annotated[
    bool, typer.Option("--save-weights", help="Keep the trained weights, as safetensors files.")
]

Tensorboard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write training curves to OUT/tensorboard; needs the extra tensorboard.",
    ),
]
FigureFormat = Annotated[
    str,
    typer.Option(
        "--figure-format",
        help="pdf or svg writes a vector copy beside each figure; png writes none.",
    ),
]

#: What may be said beside ``--config``: it changes no row.
EXECUTION = frozenset(
    {"config_file", "workers", "engine", "device", "data_dir", "out", "retry_failed", "dry_run",
     "compiled", "save_predictions", "save_weights", "tensorboard", "trust_code", "as_json",
     "devices", "nodes", "strategy", "figure_format"}
)  # fmt: skip


def refuse_beside_config(context: typer.Context) -> None:
    """Refuse options that a configuration file would silently overrule.

    Raises:
        InputError: with their names.
    """
    given = [name for name in given_options(context) if name not in EXECUTION]
    if given:
        raise InputError(
            f"--config decides all that {flags(given)} would; leave out one or the other"
        )


def given_options(context: typer.Context) -> list[str]:
    """The options that a person gave, by the names of their parameters."""
    return [
        parameter.name
        for parameter in context.command.params
        if parameter.name
        and getattr(context.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
    ]


def flags(names: Iterable[str]) -> str:
    """Options as they are written: ``--max-flops, --within``."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def changes_of(words: list[str] | None) -> dict[str, Any]:
    """What ``--set`` changes.

    Raises:
        InputError: a word is not field=value, or a field is given twice.
    """
    changes: dict[str, Any] = {}
    for word in words or []:
        field, value = parse_assignment(word)
        if field in changes:
            raise InputError(f"--set gives {field!r} twice")
        changes[field] = value
    return changes


def execution(
    *,
    workers: int,
    engine: str | None,
    device: str,
    data_dir: Path | None,
    retry_failed: bool = False,
    compiled: bool = False,
    save_predictions: bool = False,
    save_weights: bool = False,
    tensorboard: bool = False,
    devices: int = 1,
    nodes: int = 1,
    strategy: str = "auto",
    figure_format: str = "png",
) -> "Execution":
    """Where a study runs."""
    from nasneurn.studies.run import Execution
    from nasneurn.training.devices import Machines

    return Execution(
        engine=engine,
        workers=workers,
        device=device,
        data_dir=data_dir,
        compiled=compiled,
        save_predictions=save_predictions,
        save_weights=save_weights,
        tensorboard=tensorboard,
        machines=Machines(devices, nodes, strategy),
        retry_failed=retry_failed,
        figure_format=figure_format,
    )
