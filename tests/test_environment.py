"""The commit that a result names."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

import nasneurn.environment


def test_a_commit_is_dirty_by_changed_code_alone(tmp_path: Path) -> None:
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
    parts = [tmp_path / name for name in ("pyproject.toml", "alignment/a.py", "search_spaces/a.py")]
    others = [tmp_path / name for name in ("results/rows.csv", "docs/a.md", "README.md")]
    for path in (code, *parts, *others):
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    shutil.copy(nasneurn.environment.__file__, code)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    clean = git("rev-parse", "--short=12", "HEAD")
    for path in others:
        path.write_text("2")
    (tmp_path / "docs" / "new.md").touch()
    git("add", "docs")
    assert commit() == clean
    for path in (*parts, code):
        before = path.read_text()
        path.write_text(before + "\n")
        assert commit() == f"{clean}-dirty"
        path.write_text(before)
    assert commit() == clean


def test_no_one_changes_what_all_ask_for() -> None:
    found = nasneurn.environment.environment()
    with pytest.raises(TypeError):
        found["torch"] = "0"  # type: ignore[index]
    assert found is nasneurn.environment.environment()
    assert {**found}["torch"] == found["torch"]
