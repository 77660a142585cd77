"""What a result was computed with: versions, and the commit where there is one."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: Packages whose versions a result may depend on.
PACKAGES = ("nasneurn", "torch", "timm", "nni", "numpy")


@cache
def environment() -> dict[str, str]:
    """Versions by package, of Python, and the ``commit`` of this code if it lies in a checkout."""
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
        found["commit"] = _git("describe", "--always", "--dirty", "--abbrev=12", folder=here.parent)
    except (OSError, subprocess.CalledProcessError):
        pass
    return found


def _git(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
