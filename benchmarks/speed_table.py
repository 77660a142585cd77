"""The tables of docs/performance.md, from what the other scripts measured.

    python benchmarks/speed_table.py [--check]

Measures nothing: it reads the committed CSV files and writes the page again; with ``--check`` it
says whether the page is as they are.
"""

import argparse
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/performance.md"
#: What made each file, in benchmarks/.
MADE_BY = {
    "benchmarks/busy.csv": "busy.py",
    "benchmarks/busy_commands.csv": "busy_commands.py --repeats 1",
    "benchmarks/folders.csv": "folders.py",
    "benchmarks/graphs.csv": "graphs.py --quick",
    "benchmarks/protocol.csv": "protocol.py",
    "benchmarks/quick_commands.csv": "quick_commands.py --repeats 3",
    "benchmarks/stem.csv": "stem.py",
    "benchmarks/stem_gpu.csv": "stem.py --quick",
    "benchmarks/supernet.csv": "supernet.py",
    "benchmarks/training.csv": "training.py",
    "results/align/benchmark.csv": "alignment.py --catalogue",
    "results/align/commands.csv": "alignment_command.py --catalogue",
}


@dataclass(frozen=True)
class Ratio:
    """Two rows of a file, this project's and that of what a user would take in its place.

    Attributes:
        what: what is done.
        rival: what a user would take, in words.
        file: the CSV file.
        rows: what both rows have in common, by column.
        ours, theirs: what tells them apart: values of ``way``.
        measure: the column that is compared.
        rate: whether more of it is faster.
    """

    what: str
    rival: str
    file: str
    rows: dict[str, Any]
    ours: str
    theirs: str
    measure: str
    rate: bool = False

    def times_as_fast(self) -> float:
        """How many times as fast as the rival."""
        ways = ({"way": self.ours}, {"way": self.theirs})
        ours, theirs = (one(self.file, self.rows | way)[self.measure] for way in ways)
        return float(ours / theirs if self.rate else theirs / ours)


@dataclass(frozen=True)
class Duration:
    """One row of a file: what takes how long.

    Attributes:
        what: what is done.
        file: the CSV file.
        rows: which row, by column.
        measure: the column of seconds.
    """

    what: str
    file: str
    rows: dict[str, Any] = field(default_factory=dict)
    measure: str = "seconds"

    def seconds(self) -> float:
        """How long it takes."""
        return float(one(self.file, self.rows)[self.measure])


STEM = "benchmarks/stem.csv"
ALIGNMENT = "results/align/benchmark.csv"
GRAPHS = "benchmarks/graphs.csv"
STEM_GPU = "benchmarks/stem_gpu.csv"
TRAINING = "benchmarks/training.csv"
SUPERNET = "benchmarks/supernet.csv"
FOLDERS = "benchmarks/folders.csv"
COMMANDS = "results/align/commands.csv"
PROTOCOL = "benchmarks/protocol.csv"
QUICK = "benchmarks/quick_commands.csv"
BUSY = "benchmarks/busy.csv"
BUSY_COMMANDS = "benchmarks/busy_commands.csv"

_DIGITS = {"what": "forward", "batch": 256, "size": 32, "k": 3}
_PAIRS = {"what": "zoo", "scheme": "layer", "gaps": "linear"}
_EPOCH = {"stem": "neurn", "batch": 64}

RATIOS = (
    Ratio("NeuRN of 256 images of 32 pixels", "`unfold` and `std`", STEM, _DIGITS,
          "neurn kernel", "unfold + std", "ms"),
    Ratio("the same", "`avg_pool2d`, twice", STEM, _DIGITS, "neurn kernel", "avg_pool", "ms"),
    Ratio("the same", "OpenCV", STEM, _DIGITS, "neurn kernel", "opencv", "ms"),
    Ratio("the same with its gradient", "`avg_pool2d`, twice", STEM,
          _DIGITS | {"what": "forward+backward"}, "neurn kernel", "avg_pool", "ms"),
    Ratio("alignment of all pairs of the 44", "parasail (`nw_scan_16`)", ALIGNMENT,
          _PAIRS, "nasneurn", "parasail nw_scan_16", "gcells_per_s", rate=True),
    Ratio("the same", "Biopython", ALIGNMENT, _PAIRS, "nasneurn", "biopython", "gcells_per_s",
          rate=True),
    Ratio("the same", "scikit-bio", ALIGNMENT, _PAIRS, "nasneurn", "scikit-bio", "gcells_per_s",
          rate=True),
    Ratio("the same with affine gaps", "Biopython", ALIGNMENT, _PAIRS | {"gaps": "affine"},
          "nasneurn", "biopython", "gcells_per_s", rate=True),
    Ratio("an epoch of lcnet_050 after NeuRN", "`DataLoader`, plain loop", TRAINING,
          _EPOCH | {"architecture": "lcnet_050"}, "nasneurn", "user", "images_per_s", rate=True),
    Ratio("an epoch of mobilenetv3_small_100 after NeuRN", "the same", TRAINING,
          _EPOCH | {"architecture": "mobilenetv3_small_100"}, "nasneurn", "user", "images_per_s",
          rate=True),
    Ratio("an epoch of resnet10t after NeuRN", "the same", TRAINING,
          _EPOCH | {"architecture": "resnet10t"}, "nasneurn", "user", "images_per_s", rate=True),
    Ratio("a step of `single-source-digits`", "torchvision, `DataLoader`, plain loop", PROTOCOL,
          {"algorithm": "erm"}, "nasneurn", "recipe", "ms"),
    Ratio("the same with `--precision bf16`", "the same", PROTOCOL, {"algorithm": "erm"},
          "nasneurn, bf16", "recipe", "ms"),
    Ratio("the same with RandConv", "the same, with RandConv in the loop", PROTOCOL,
          {"algorithm": "randconv"}, "nasneurn", "recipe", "ms"),
    Ratio("a step of the SPOS supernet by NNI and Lightning", "a bare loop", SUPERNET,
          {"what": "step", "space": "spos"}, "NNI and Lightning", "bare loop", "ms"),
    Ratio("scoring a candidate of SPOS", "freezing it and running it", SUPERNET,
          {"what": "candidate", "space": "spos"}, "in place", "freeze and run", "ms"),
    Ratio("scoring a candidate of AutoFormer", "the same", SUPERNET,
          {"what": "candidate", "space": "autoformer"}, "in place", "freeze and run", "ms"),
    Ratio("on an H100: a step of digits_convnet after NeuRN", "a bare loop in bf16", GRAPHS,
          {"architecture": "digits_convnet"}, "nasneurn", "bare loop", "ms"),
    Ratio("on an H100: a step of lcnet_050 after NeuRN", "the same", GRAPHS,
          {"architecture": "lcnet_050"}, "nasneurn", "bare loop", "ms"),
    Ratio("the same without CUDA graphs", "the same", GRAPHS,
          {"architecture": "lcnet_050"}, "without graphs", "bare loop", "ms"),
    Ratio("on an H100: NeuRN of 256 images of 32 pixels by itself", "`unfold` and `std`", STEM_GPU,
          _DIGITS, "neurn plain", "unfold + std", "ms"),
)  # fmt: skip

DURATIONS = (
    Duration("`import torch`, to compare with", QUICK, {"way": "import torch"}),
    Duration("`nasneurn --help`", QUICK, {"way": "nasneurn --help"}),
    Duration("`nasneurn status` of a study of 24 trainings", QUICK, {"way": "nasneurn status"}),
    Duration("`nasneurn report` of the same", QUICK, {"way": "nasneurn report"}),
    Duration("`nasneurn bench`: until it says something on a terminal", QUICK,
             {"way": "nasneurn bench, first line on a terminal"}),
    Duration("the same: until it says what it will do", QUICK,
             {"way": "nasneurn bench, first line into a pipe"}),
    Duration("`align --models all`, nothing traced before", COMMANDS,
             {"models": "all", "caches": "empty"}),
    Duration("the same again", COMMANDS, {"models": "all", "caches": "unchanged"}),
    Duration("the same into another folder", COMMANDS,
             {"models": "all", "caches": "filled", "figures": True}),
    Duration("`align --models timm`, nothing traced before", COMMANDS,
             {"models": "timm", "caches": "empty"}),
    Duration("a folder of 600,000 images: scan", FOLDERS, {"what": "scan"}),
    Duration("the same: the first command, which reads all images once", FOLDERS,
             {"what": "first command"}),
    Duration("the same: from the start to the first step, already scanned", FOLDERS,
             {"what": "first step"}),
    Duration("the same: an epoch of 119,808 images in memory, without a network", FOLDERS,
             {"what": "epoch in memory"}, "work_seconds"),
)  # fmt: skip


#: Ways in which OpenMP's threads wait, by what stands in the environment.
WAITING = {
    "OMP_WAIT_POLICY=PASSIVE": "as `nasneurn` has threads wait",
    "unset": "as PyTorch does",
}


def one(file: str, rows: dict[str, Any]) -> pd.Series:
    """The row of a file that has all these values.

    Raises:
        LookupError: there is none, or there are several.
    """
    table = pd.read_csv(ROOT / file)
    for column, value in rows.items():
        table = table[table[column] == value]
    if len(table) != 1:
        raise LookupError(f"{file}: {len(table)} rows have {rows}; one is needed")
    return table.iloc[0]


def source(file: str) -> str:
    """Where a number is, and by which command."""
    return f"[{Path(file).name}](../{file}), `python benchmarks/{MADE_BY[file]}`"


def ratios() -> list[str]:
    """The lines of the table of ratios."""
    lines = ["| what | beside | times as fast | measured by |", "| --- | --- | --- | --- |"]
    return lines + [
        f"| {row.what} | {row.rival} | {significant(row.times_as_fast())} | {source(row.file)} |"
        for row in RATIOS
    ]


def durations() -> list[str]:
    """The lines of the table of durations."""
    lines = ["| command or step | seconds | measured by |", "| --- | --- | --- |"]
    return lines + [
        f"| {row.what} | {significant(row.seconds())} | {source(row.file)} |" for row in DURATIONS
    ]


def beside_busy_processes() -> list[str]:
    """The lines of the table of commands, and of steps by how threads wait, beside others."""
    lines = ["| | alone | 1 beside | 2 beside | measured by |", "| --- | --- | --- | --- | --- |"]
    for way in dict.fromkeys(pd.read_csv(ROOT / BUSY_COMMANDS)["way"]):
        spent = [one(BUSY_COMMANDS, {"way": way, "busy": busy}) for busy in (0, 1, 2)]
        times = " | ".join(f"{significant(row['ratio'])} times" for row in spent[1:])
        alone = f"{significant(spent[0]['seconds'])} s"
        command, comma, shorter = way.partition(",")
        told = f"`nasneurn {command}`{comma}{shorter}"
        lines.append(f"| {told} | {alone} | {times} | {source(BUSY_COMMANDS)} |")
    for setting, named in WAITING.items():
        rows = [one(BUSY, {"setting": setting, "processes": 1, "busy": busy}) for busy in (0, 1, 2)]
        times = " | ".join(f"{1000 * row['seconds']:.0f} ms" for row in rows)
        lines.append(f"| a step of `digits_convnet`, {named} | {times} | {source(BUSY)} |")
    return lines


def significant(number: float) -> str:
    """Two digits, and all of those before the point: 0.95, 1.2, 52, 361."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def written(page: str) -> str:
    """The page with its tables as the files say."""
    tables = {"ratios": ratios(), "durations": durations(), "busy": beside_busy_processes()}
    for name, lines in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        table = "\n".join([begin, *lines, end])
        page, count = re.subn(f"{begin}.*?{end}", lambda _, table=table: table, page, flags=re.S)
        if count != 1:
            raise LookupError(f"{PAGE.name} has {count} tables of {name}; one is needed")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page")
    given = parser.parse_args()
    page = PAGE.read_text()
    if given.check:
        raise SystemExit(written(page) != page)
    given.out.write_text(written(page))


if __name__ == "__main__":
    main()
