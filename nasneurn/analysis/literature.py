"""The literature's table of single-source digit classification, with a study's rows beside it.

All train on the first 10,000 images of MNIST and test on other digit domains (Volpi et al., NeurIPS
2018). The figures are those of the tables that ``reported_by`` names; Pro-RandConv is Choi et al.,
arXiv 2304.00424, and ASR-Norm is Fan et al., CVPR 2021.
"""

from importlib.resources import files

import pandas as pd

from nasneurn.analysis.cells import ORACLE, settings
from nasneurn.analysis.methods import with_methods

#: The protocol whose rows stand beside the literature's; others are of other trainings.
PROTOCOL = "single-source-digits"
TARGETS = ("svhn", "mnistm", "syn", "usps")
#: The targets that every row here has; their mean is compared.
COMPARED = ("svhn", "mnistm", "usps")

#: In the column ``by``, what no one has published.
HERE = "here"

#: Without these columns, rows do not say what they are of.
_NEEDED = {"protocol", "architecture", "source", "target", "algorithm", "stem", "seed"}

#: Settings of the literature's trainings, which are not said; of other settings, one that all rows
#: have is not said either.
_USUAL = {"weights": "scratch", "selection": ""}

#: What a reader must know before comparing.
_DIFFERS = (
    "here SVHN is tested on the images of the suite's own test split, which may be others than the "
    "official 26,032"
)


def literature() -> pd.DataFrame:
    """The published rows: ``method``, one column a target in percent, and ``reported_by``."""
    path = files("nasneurn.analysis").joinpath("single_source_digits.csv")
    with path.open(encoding="utf-8") as text:
        return pd.read_csv(text)


def beside_literature(rows: pd.DataFrame) -> pd.DataFrame:
    """Both, the least mean first: ``method``, ``by``, targets, ``mean`` of three, ``seeds``.

    Means are over the seeds that have all three targets; a method without such a seed is left out.
    ``std`` is the deviation over seeds of the mean of the three; it is missing for one seed, and
    for the literature. Each setting has a row of its own, and what tells it from the usual one
    stands in brackets: ``erm (weights inherited)``.

    Args:
        rows: with the columns of ``accuracy.csv``. Those of other protocols, networks and sources
            than the literature's are passed over; if there are no others, the table is empty.
    """
    if not set(rows) >= _NEEDED:
        return pd.DataFrame()
    ours = rows[
        (rows["protocol"] == PROTOCOL)
        & (rows["architecture"] == "digits_convnet")
        & (rows["source"] == "mnist")
    ]
    if ours.empty or not set(COMPARED) <= set(ours["target"]):
        return pd.DataFrame()
    methods = _with_settings(with_methods(ours))
    wide = 100 * methods.pivot_table(
        index=["method", "seed"], columns="target", values="accuracy", sort=False
    )
    if not set(COMPARED) <= set(wide):  # of some target no accuracy is a number
        return pd.DataFrame()
    wide = wide.dropna(subset=list(COMPARED))
    if wide.empty:
        return pd.DataFrame()
    wide["mean"] = wide[list(COMPARED)].mean(axis=1)
    means, spread = wide.groupby("method").mean(), wide.groupby("method")["mean"]
    measured = means.assign(std=spread.std(), seeds=spread.count(), by=HERE).reset_index()
    theirs = literature().rename(columns={"reported_by": "by"})
    theirs["mean"] = theirs[list(COMPARED)].mean(axis=1)
    table = pd.concat([theirs, measured], ignore_index=True).sort_values("mean", kind="stable")
    columns = ["method", "by", *(name for name in TARGETS if name in table), "mean", "std", "seeds"]
    found = table[columns].round(1).reset_index(drop=True)
    return found.astype({"seeds": "Int64"})


def differences_told(table: pd.DataFrame) -> str:
    """What a reader of a table of :func:`beside_literature` must know before comparing."""
    here = table["by"] == HERE
    has_syn = "syn" in table and bool(table.loc[here, "syn"].notna().all())
    return _DIFFERS if has_syn else f"{_DIFFERS}; SYN is missing"


def _with_settings(methods: pd.DataFrame) -> pd.DataFrame:
    """The rows with what is not usual of their settings behind the name of their method."""
    if "selection" in methods:  # but for an oracle's, rows of one protocol have one
        oracle = methods["selection"] == ORACLE
        methods = methods.assign(selection=methods["selection"].where(oracle, ""))
    told: list[list[str]] = [[] for _ in range(len(methods))]
    for name in settings(methods, "method"):
        values = methods[name].fillna("not said").astype(str).tolist()
        usual = _USUAL.get(name, values[0] if len(set(values)) == 1 else None)
        for own, value in zip(told, values, strict=True):
            if value != usual:
                own.append(f"{value} {name}" if name == "selection" else f"{name} {value}")
    names = [
        f"{method} ({', '.join(own)})" if own else method
        for method, own in zip(methods["method"], told, strict=True)
    ]
    return methods.assign(method=names)
