"""The benchmark grid: what a job is, where its result is kept, and where jobs run."""

from pathlib import Path

from nasneurn.errors import InputError
from nasneurn.studies.config import BenchConfig


def bench(
    config: BenchConfig,
    out: Path,
    *,
    engine: str | None = None,
    workers: int = 1,
    device: str = "auto",
    data_dir: Path | None = None,
    compiled: bool = False,
    retry_failed: bool = False,
    dry_run: bool = False,
    extend: bool = False,
) -> None:
    """Run a grid, or continue one, write its tables and figures into ``out``, and print them.

    Args:
        engine: where jobs run; by default this process, or local processes for several ``workers``.
        compiled: by torch.compile, which pays in long trainings on a GPU.
        dry_run: only print the jobs that are left, with an estimate of time.
        extend: add what is new in ``config`` to the grid that the folder holds.

    Raises:
        InputError: the folder holds another grid, the configuration cannot be run, or every
            training failed.
    """
    from nasneurn.report.bench_terminal import print_plan, print_result
    from nasneurn.report.remake import remake
    from nasneurn.studies.estimate import estimates
    from nasneurn.studies.grid import Grid

    chosen = engine or ("here" if workers == 1 else "local")
    grid = Grid(config, out, device=device, data_dir=data_dir, compiled=compiled, extend=extend)
    if dry_run:
        print_plan(estimates(grid, grid.left(retry_failed=retry_failed), workers), workers)
        return
    grid.run(engine=chosen, workers=workers, retry_failed=retry_failed)
    if grid.outputs.accuracy().empty:
        raise InputError(f"no training of {out} gave a result; see {grid.outputs.failures_path}")
    remake(out)
    print_result(grid.outputs)
