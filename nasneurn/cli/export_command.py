"""``nasneurn export``: a trained network as ONNX or as PyTorch's exported program."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nasneurn.cli.options import DataDir, TrustCode, out_file


def export_command(
    file: Annotated[
        Path, typer.Argument(help="A weights file of a study that was run with --save-weights.")
    ],
    format: Annotated[str, typer.Option(help="onnx, or pt2 (torch.export).")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="The file to write.", callback=out_file)] = None,
    data_dir: DataDir = None,
    trust_code: TrustCode = False,
) -> None:
    """Write a trained network, with stem and scaling, as a file that needs no nasneurn.

    The file is read again, and must give the same logits.
    """
    from nasneurn.models.exporting import export

    asked: Any = format
    written = export(file, format=asked, out=out, data_dir=data_dir, trust_code=trust_code)
    typer.echo(f"{written}: same logits as {file}")
