"""Trained networks in formats that need no nasneurn: ONNX, and PyTorch's exported programs."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from nasneurn.choices import check_known
from nasneurn.errors import InputError, one_line
from nasneurn.files import real, results_file, written_atomically
from nasneurn.models.trained_model import TrainedModel, load_model

#: ``onnx``, or ``pt2`` of :func:`torch.export.save`.
Format = Literal["onnx", "pt2"]
#: How far the logits of a file may be from the model's: of these, the greater.
RELATIVE, ABSOLUTE = 1e-3, 1e-4


def export(
    path: Path | str,
    *,
    format: Format = "onnx",
    out: Path | str | None = None,
    data_dir: Path | None = None,
    trust_code: bool = False,
) -> Path:
    """Write a trained network as a file that needs no nasneurn, and see that it gives its logits.

    Its one input is float32 ``images`` (N, 3, S, S) from 0 to 1 with any N, its output ``logits``;
    stem and scaling are in it.

    Args:
        path: a file that :func:`nasneurn.load_model` takes.
        format: ``onnx``, or ``pt2``, which ``torch.export.load`` reads.
        out: the file to write; by default beside ``path``.
        data_dir, trust_code: as of :func:`nasneurn.load_model`.

    Returns:
        The file that was written.

    Raises:
        InputError: the model cannot be loaded, the format's library is missing, the network cannot
            be exported, or the written file gives other logits.
    """
    check_known("format", format, get_args(Format))
    path = Path(path)
    if format == "onnx":
        _need("onnx", "onnxscript", "onnxruntime")
    target = results_file(out, path.with_suffix(f".{format}"))
    if real(target) == real(path):
        raise InputError(f"out is {target}, the file that is exported; name another")
    model = load_model(path, data_dir=data_dir, trust_code=trust_code)
    side = model.image_size
    images = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    with written_atomically(target) as draft, torch.no_grad():
        try:
            given = _WRITERS[format](model, images[:2], Path(draft), images)
        except InputError:
            raise
        except Exception as error:  # whatever an exporter says of a network
            told = one_line(error)
            raise InputError(f"{path}: cannot be exported as {format}: {told}") from error
        expected = model(images)
        if not torch.allclose(given, expected, rtol=RELATIVE, atol=ABSOLUTE):
            off = (given - expected).abs().max().item()
            raise InputError(f"{path}: as {format} its logits are off by {off:.2g}; not written")
    return target


def _need(*packages: str) -> None:
    if missing := [name for name in packages if find_spec(name) is None]:
        raise InputError(f"ONNX needs {', '.join(missing)}: pip install {' '.join(missing)}")


def _write_onnx(model: TrainedModel, example: Tensor, draft: Path, images: Tensor) -> Tensor:
    import onnxruntime

    program = torch.onnx.export(
        model,
        (example,),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
    )
    if program is None:
        raise InputError("PyTorch's exporter to ONNX gave nothing")
    content = program.model_proto.SerializeToString()
    draft.write_bytes(content)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images.numpy()})
    return torch.from_numpy(logits)


def _write_pt2(model: TrainedModel, example: Tensor, draft: Path, images: Tensor) -> Tensor:
    program = torch.export.export(
        model, (example,), dynamic_shapes=({0: torch.export.Dim("N")},), strict=False
    )
    with draft.open("wb") as file, warnings.catch_warnings():  # by name, it would want the suffix
        # Of weights that lie otherwise in memory than PyTorch looks for them; they are on the CPU,
        # and the logits are compared.
        warnings.filterwarnings("ignore", "No complete tensor found in the group")
        torch.export.save(program, file)
    with draft.open("rb") as file:
        logits: Tensor = torch.export.load(file).module()(images)
    return logits


_WRITERS = {"onnx": _write_onnx, "pt2": _write_pt2}
