"""The commit that a result names."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import nasneurn.environment


def test_a_commit_is_dirty_by_changed_code_and_not_by_changed_results(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        mine = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", *mine, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit() -> str:
        spec = importlib.util.spec_from_file_location("copied", code)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return str(module.environment()["commit"])

    code = tmp_path / "nasneurn" / "environment.py"
    rows = tmp_path / "results" / "rows.csv"
    for path in (code, rows):
        path.parent.mkdir()
    shutil.copy(nasneurn.environment.__file__, code)
    rows.write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    assert commit() == git("rev-parse", "--short=12", "HEAD")
    rows.write_text("2")
    assert commit() == git("rev-parse", "--short=12", "HEAD")
    code.write_text(code.read_text() + "\n")
    assert commit() == git("rev-parse", "--short=12", "HEAD") + "-dirty"
