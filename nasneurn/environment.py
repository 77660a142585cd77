"""What a result was computed with: versions, and the commit where there is one."""

import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

#: Packages whose versions a result may depend on.
PACKAGES = ("nasneurn", "torch", "timm", "nni", "numpy")

#: What is code in a checkout; results, documents and tests that change beside it are none.
CODE = ("nasneurn", "alignment", "search_spaces", "pyproject.toml")


@cache
def environment() -> Mapping[str, str]:
    """Versions by package, of Python, and the ``commit`` of this code if it lies in a checkout.

    A commit is marked as dirty if :data:`CODE` differs from it. It is asked for once, so no one may
    change the answer.
    """
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # NNI has no wheel for every machine
            continue
    here = Path(__file__)
    try:
        # Only where this very file is under version control: a wheel may lie in another's checkout.
        _git("ls-files", "--error-unmatch", here.name, folder=here.parent)
        commit = _git("rev-parse", "--short=12", "HEAD", folder=here.parent)
        unseen = "--untracked-files=no"
        changed = _git("status", "--porcelain", unseen, "--", *CODE, folder=here.parents[1])
        found["commit"] = f"{commit}-dirty" if changed else commit
    except (OSError, subprocess.CalledProcessError):
        pass
    return MappingProxyType(found)


def _git(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
