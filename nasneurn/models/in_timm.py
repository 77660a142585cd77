"""The name ``nasneurn`` among timm's models, once this module is imported.

>>> import timm, nasneurn.models.in_timm
>>> timm.is_model("nasneurn")
True
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from timm.models import register_model

from nasneurn.errors import InputError

if TYPE_CHECKING:
    from nasneurn.models.trained_model import TrainedModel

#: What ``timm.create_model`` gives to every model, and what no file of weights needs.
USUAL = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")


@register_model
def nasneurn(
    *,
    path: Path | str | None = None,
    data_dir: Path | None = None,
    trust_code: bool = False,
    **given: Any,
) -> "TrainedModel":
    """What :func:`nasneurn.load_model` gives, as ``timm.create_model("nasneurn", path=FILE)``.

    Args:
        path, data_dir, trust_code: as of :func:`nasneurn.load_model`.
        given: what timm passes beside these. The weights are those of the file, whatever
            ``pretrained`` is.

    Raises:
        InputError: no path, another argument of a model of timm, or a file that cannot be loaded.
    """
    from nasneurn.models.trained_model import load_model

    if path is None:
        raise InputError('the model nasneurn needs a file: timm.create_model("nasneurn", path=...)')
    if others := [name for name in given if name not in USUAL]:
        raise InputError(f"the model nasneurn takes no {others[0]}: its file decides all of it")
    return load_model(path, data_dir=data_dir, trust_code=trust_code)
