"""What a training may leave beside its rows: its answers to test images, and its weights."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nasneurn.errors import InputError, one_line
from nasneurn.files import opened, written_atomically

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from nasneurn.studies.training_unit import Training
    from nasneurn.training.evaluation import Answers


def predictions_path(folder: Path, training: str) -> Path:
    """Where the answers of a training are, in the folder of its study."""
    return folder / "predictions" / f"{training}.parquet"


def weights_path(folder: Path, training: str, target: str = "") -> Path:
    """Where its weights are; where an oracle selected, those for a target."""
    name = f"{training}-{target}" if target else training
    return folder / "weights" / f"{name}.safetensors"


def save_predictions(path: Path, answers: Mapping[str, "Answers"]) -> None:
    """Write the answers to the test images of each target.

    A row is an image: ``target``, ``image`` (its number in the target's test part, from 0),
    ``label`` and ``logits`` (float32, one for each class).

    Raises:
        InputError: the file cannot be written.
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    parts = [
        pa.table(
            {
                "target": pa.array([target] * len(given.labels), pa.string()).dictionary_encode(),
                "image": pa.array(np.arange(len(given.labels))),
                "label": pa.array(given.labels),
                "logits": pa.FixedSizeListArray.from_arrays(
                    pa.array(given.logits.ravel()), given.logits.shape[1]
                ),
            }
        )
        for target, given in answers.items()
    ]
    # Given by name, the libraries here take UTF-8 alone; so they get open files, or give bytes.
    with written_atomically(path) as draft, draft.open("wb") as file:
        parquet.write_table(pa.concat_tables(parts).unify_dictionaries(), file)


def read_predictions(path: Path) -> "pd.DataFrame":
    """What :func:`save_predictions` wrote.

    Raises:
        InputError: the file cannot be read, or is another one.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with opened(path) as file:
            table = parquet.read_table(file, columns=["target", "image", "label", "logits"])
        # Without what pandas wrote for itself beside the columns, which may be damaged, too.
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        told = one_line(error)
        raise InputError(f"{path}: no saved predictions can be read from it ({told})") from None
    return frame


def save_weights(
    path: Path,
    network: "nn.Module",
    training: "Training",
    further: Mapping[str, "Tensor"] | None = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write the state of a network as safetensors, under the names that the network itself has.

    The file's metadata has the training as JSON, under ``training``: stem and scaling, which have
    no weights, can be made from that. ``further`` are weights of what stands before the network,
    ``about`` further metadata.

    Raises:
        InputError: the file cannot be written.
    """
    from safetensors.torch import save

    whole = {
        name: value.detach().clone().contiguous().cpu()
        for name, value in {**network.state_dict(), **(further or {})}.items()
    }
    known = {"training": json.dumps(training.model_dump(mode="json"), sort_keys=True)}
    with written_atomically(path) as draft:
        draft.write_bytes(save(whole, metadata={**known, **(about or {})}))


def tell_unsaved(folder: Path, done: list[str], *, predictions: bool, weights: bool) -> None:
    """Tell of trainings that were done before anything of them was to be saved."""
    for asked, what, path in (
        (predictions, "predictions", predictions_path),
        (weights, "weights", weights_path),
    ):
        lacking = sum(not _is_saved(path(folder, one)) for one in done) if asked else 0
        if lacking:
            print(
                f"nasneurn: {lacking} trainings were done before their {what} were to be saved; "
                "another --out does them again",
                file=sys.stderr,
            )


def _is_saved(path: Path) -> bool:
    """Whether a file is there, or one for each target."""
    return path.is_file() or any(path.parent.glob(f"{path.stem}-*{path.suffix}"))
