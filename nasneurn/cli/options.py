"""Options that several commands take, in one dialect."""

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
Suite = Annotated[str, typer.Option(help="builtin, digits, digits-resized or a folder.")]
SuiteOrUsual = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="builtin, digits, digits-resized or a folder; +shifts after it adds "
        "shifted test images as targets.",
    ),
]
ImageSize = Annotated[int | None, typer.Option(help="Side of the images.")]
Splits = Annotated[
    Path | None,
    typer.Option(help="Of a folder: a CSV of path,split, or the folder of PACS's published lists."),
]
Stems = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME, NAME:option=value,... or package.module:Name; commas between, or repeated."
    ),
]
Algorithms = Annotated[
    list[str] | None, typer.Option(help="How networks are trained, named as stems are.")
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        help="Domains to train on, each by itself; a+b is one source of two; or all; or "
        "leave-one-out: for each domain all the others joined."
    ),
]
Targets = Annotated[list[str] | None, typer.Option(help="Domains to measure on.")]
Seeds = Annotated[
    list[str] | None, typer.Option(help="How many seeds, from 0 up; or a list: 0,3,7.")
]
BudgetName = Annotated[str, typer.Option(help="quick, standard, paper or single-source-digits.")]
BudgetOrUsual = Annotated[
    str | None,
    typer.Option("--budget", help="quick, standard, paper or single-source-digits."),
]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="What other options are if not given: single-source-digits (the literature's), "
        "leave-one-out (DomainBed's) or paper.",
    ),
]
AdaptationName = Annotated[
    str | None,
    typer.Option(
        "--adaptation",
        help="Networks of libraries for small images: fit takes their first strides "
        "away until 4 x 4 positions are left; or as-published.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change a field of the protocol, field=value; a search: supernet.field=value."
    ),
]
PrecisionName = Annotated[
    str, typer.Option(help="Of the trainings: auto (bf16 on a GPU, else 32), 32 or bf16.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Run the study of a config.yaml, in place of other options."),
]
Workers = Annotated[
    int, typer.Option(min=1, help="Pieces of work at once; more than one means --engine local.")
]
Engine = Annotated[str | None, typer.Option(help="here, local (worker processes) or ray.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")]
Extend = Annotated[
    bool, typer.Option("--extend", help="Add what is new here to the study in the folder.")
]
TrustCode = Annotated[
    bool,
    typer.Option("--trust-code", help="Import code that a file names and that is not nasneurn's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]

SavePredictions = Annotated[
    bool,
    typer.Option(
        "--save-predictions", help="Keep the logits for each test image, as Parquet files."
    ),
]
SaveWeights = Annotated[
    bool, typer.Option("--save-weights", help="Keep the trained weights, as safetensors files.")
]

Tensorboard = Annotated[
    bool,
    typer.Option("--tensorboard", help="Leave curves of trainings in OUT/tensorboard; an extra."),
]

#: What may be said beside ``--config``: it changes no row.
EXECUTION = frozenset(
    {"config_file", "workers", "engine", "device", "data_dir", "out", "retry_failed", "dry_run",
     "compiled", "save_predictions", "save_weights", "tensorboard", "trust_code", "as_json",
     "devices", "nodes", "strategy"}
)  # fmt: skip


def refuse_beside_config(context: typer.Context) -> None:
    """Refuse options that a configuration file would silently overrule.

    Raises:
        InputError: with their names.
    """
    given = [
        f"--{parameter.name.replace('_', '-')}"
        for parameter in context.command.params
        if parameter.name
        and parameter.name not in EXECUTION
        and getattr(context.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise InputError(
            f"--config decides all that {', '.join(given)} would; leave out one or the other"
        )


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
    )
