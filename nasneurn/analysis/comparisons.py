"""What a stem does to accuracy: paired differences, their intervals, and tests.

A case is one (architecture, source, target, seed); a stem's difference on it is its accuracy less
that of the control. The targets of one training share its network, and trainings of one seed share
weights and order of data, so cases are not independent. Differences are averaged over the targets
of each training first; a training is the unit that is resampled and tested.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from nasneurn.errors import InputError

#: What makes two rows the same case but for the stem.
CASE = ["architecture", "source", "target", "seed"]
#: What makes two cases those of one training.
TRAINING = ["architecture", "source", "seed"]
RESAMPLES = 10_000
#: Of the resampling; fixed, so that the same rows always give the same table.
BOOTSTRAP_SEED = 20_250_506

COLUMNS = [
    "stem", "cases", "trainings", "seeds", "control_mean", "stem_mean", "difference", "low", "high",
    "p", "p_holm", "wins", "ties", "losses",
]  # fmt: skip


def cross_domain(accuracy: pd.DataFrame) -> pd.DataFrame:
    """The rows whose target is not their source."""
    return accuracy[accuracy["source"] != accuracy["target"]]


def same_domain(accuracy: pd.DataFrame) -> pd.DataFrame:
    """The rows whose target is their source: its own test images."""
    return accuracy[accuracy["source"] == accuracy["target"]]


def differences(accuracy: pd.DataFrame, control: str = "none") -> pd.DataFrame:
    """A row for each case that a stem and the control both have.

    Columns: those of :data:`CASE`, ``stem``, ``accuracy``, ``control`` and ``difference``.

    Raises:
        InputError: no row has the control's stem.
    """
    if control not in set(accuracy["stem"]):
        raise InputError(
            f"no row has the stem {control!r} to compare with; "
            f"there are {', '.join(sorted(set(accuracy['stem'])))}"
        )
    base = accuracy[accuracy["stem"] == control][[*CASE, "accuracy"]]
    base = base.rename(columns={"accuracy": "control"})
    others = accuracy[accuracy["stem"] != control][[*CASE, "stem", "accuracy"]]
    paired = others.merge(base, on=CASE, how="inner", validate="many_to_one")
    paired["difference"] = paired["accuracy"] - paired["control"]
    return paired


def compare_stems(
    accuracy: pd.DataFrame, control: str = "none", by: Sequence[str] = ()
) -> pd.DataFrame:
    """Every stem against the control, over all cases, or for each group of the columns ``by``.

    ``low`` and ``high`` bound the mean difference with 95% confidence (percentile bootstrap over
    trainings). ``p`` is of the Wilcoxon signed-rank test on the mean differences of trainings (a
    zero counts half to either side), ``p_holm`` that value by Holm's method over all rows of the
    table. Wins, ties and losses count cases. With one seed there is no interval and no test,
    whatever the number of trainings: nothing is then known of what another seed would give.
    """
    paired = differences(accuracy, control)
    keys = [*by, "stem"]
    records = []
    for values, cases in paired.groupby(keys, sort=False):
        record = dict(zip(keys, values, strict=True)) | _comparison(cases)
        records.append(record)
    table = pd.DataFrame(records, columns=[*by, *COLUMNS])
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    return table


def _comparison(cases: pd.DataFrame) -> dict[str, float | int]:
    units = cases.groupby(TRAINING)["difference"].agg(["mean", "size"])
    seeds = cases["seed"].nunique()
    low = high = p = np.nan
    if seeds > 1:
        means = units["mean"].to_numpy()
        low, high = bootstrap_interval(means, units["size"].to_numpy())
        p = _wilcoxon(means)
    sign = np.sign(cases["difference"])
    return {
        "cases": len(cases),
        "trainings": len(units),
        "seeds": seeds,
        "control_mean": float(cases["control"].mean()),
        "stem_mean": float(cases["accuracy"].mean()),
        "difference": float(cases["difference"].mean()),
        "low": low,
        "high": high,
        "p": p,
        "wins": int((sign > 0).sum()),
        "ties": int((sign == 0).sum()),
        "losses": int((sign < 0).sum()),
    }


def bootstrap_interval(
    means: npt.NDArray[np.float64], weights: npt.NDArray[np.int64], confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap of the weighted mean of ``means``, resampled with their weights."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    chosen = rng.integers(0, len(means), (RESAMPLES, len(means)))
    resampled = (means * weights)[chosen].sum(axis=1) / weights[chosen].sum(axis=1)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _wilcoxon(means: npt.NDArray[np.float64]) -> float:
    if not np.any(means):
        return 1.0
    return float(stats.wilcoxon(means, zero_method="zsplit").pvalue)


def holm(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's step-down adjustment of p-values (Scandinavian J. of Statistics 6, 1979).

    The i-th smallest of m is multiplied by m - i + 1, never falls below one before it, and ends
    at 1. NaN is no test and stays.
    """
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted
