"""What a program calls: studies, searches and alignments, with results as objects.

Nothing here prints but progress; the command line prints what these functions return. Each subject
has a file of its own in :mod:`nasneurn.programs`.
"""

from nasneurn.programs.ablating import ablate, ablation_run
from nasneurn.programs.aligning import align
from nasneurn.programs.benching import bench, bench_run
from nasneurn.programs.given_words import Words
from nasneurn.programs.opened import KINDS, finish, load_results, read_config, run_config
from nasneurn.programs.searching import search, search_run

__all__ = [
    "KINDS",
    "Words",
    "ablate",
    "ablation_run",
    "align",
    "bench",
    "bench_run",
    "finish",
    "load_results",
    "read_config",
    "run_config",
    "search",
    "search_run",
]
