"""A study whose units other processes hold says who they are, and not that nothing failed."""

import json
import os
from pathlib import Path

import pytest
from tiny_bench import tiny_config

from nasneurn.errors import InputError
from nasneurn.programs.opened import done
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.store import Outcomes

LOCK = {"machine": "elsewhere boot", "pid": 7, "started": 1.0, "token": "ab12"}


@pytest.mark.slow
@pytest.mark.parametrize("age", [5, -1e6], ids=["lately", "in the future"])
def test_units_that_another_machine_holds(tmp_path: Path, age: float) -> None:
    run = StudyRun(tiny_config(models=["digits_convnet"]), tmp_path / "out", Execution())
    locks = tmp_path / "out" / "state" / "locks"
    locks.mkdir(parents=True)
    for unit in run.config.units(Outcomes()):
        path = locks / f"{unit.identity}.json"
        path.write_text(json.dumps(LOCK))
        moment = path.stat().st_mtime - age
        os.utime(path, (moment, moment))
    with pytest.raises(InputError) as told:
        done(run)
    message = str(told.value)
    assert "gave a result; 2 units of work are left to other processes" in message
    assert "process 7 of elsewhere" in message
    assert "takes its work over 90 s after" in message
    assert "failures.csv" not in message
