"""Whether the script that starts workers may be imported by them."""

import ast
import sys
from types import FrameType, ModuleType

from nasneurn.errors import InputError


def check_main_guard() -> None:
    """Refuse workers where the program's own file would begin its work anew in each of them.

    A worker imports the file that was started, under another name than ``__main__``. What stands
    there without a guard runs again, and each worker would wait for the work that it is to do.

    Raises:
        InputError: this was called by a line of that file outside of ``if __name__ == ...``.
    """
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    spec = getattr(main, "__spec__", None)
    if main is None or path is None or (spec is not None and spec.name.endswith("__main__")):
        return  # a notebook, a shell, `python -m package`: workers import none of these
    line = _line_of(main)
    if line is not None and not _is_guarded(path, line):
        raise InputError(
            f"{path}: workers import this file, and line {line} would begin the work anew in each "
            'of them; put it below `if __name__ == "__main__":`, or use one worker'
        )


def _line_of(main: ModuleType) -> int | None:
    """The line of the program's file that runs now; None for calls from elsewhere."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is vars(main):
            return frame.f_lineno
        frame = frame.f_back
    return None


def _is_guarded(path: str, line: int) -> bool:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return True  # it cannot be known, and no one is refused for that
    return any(
        isinstance(node, ast.If)
        and "__name__" in ast.unparse(node.test)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in ast.walk(tree)
    )
