"""How often the branches of a tree come back from drawn columns."""

from functools import partial
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_alignment_needleman_wunsch import scorings

from alignment import (
    AlignmentError,
    Architecture,
    Layer,
    Options,
    Scoring,
    compute,
    normalize,
    score,
    score_matrix,
)
from alignment.measures import rule_of
from alignment.representatives import linkage
from alignment.support import (
    bootstrap_scores,
    branch_support,
    column_scores,
    shared_clusters,
)
from alignment.tokens import partial_credit
from alignment.tree_support import support_of

tokens = st.lists(st.integers(0, 4), min_size=1, max_size=20)


def by_range(rows, scoring: Scoring | None = None):
    lengths = [len(row) for row in rows]
    return partial(normalize, lengths=lengths, scoring=scoring or Scoring())


def by_rows(scores: np.ndarray) -> np.ndarray:
    own = np.sqrt(scores.diagonal())
    return np.corrcoef(scores / np.outer(own, own))


def families(random: np.random.Generator, changes: int) -> list[np.ndarray]:
    """Three sequences of each of two parents, with some tokens changed."""
    rows = []
    for _ in range(2):
        parent = random.integers(0, 8, 80)
        for _ in range(3):
            child = parent.copy()
            child[random.permutation(80)[:changes]] = random.integers(0, 8, changes)
            rows.append(child)
    return rows


def members(tree: np.ndarray) -> list[frozenset[int]]:
    found = [frozenset([leaf]) for leaf in range(len(tree) + 1)]
    for left, right in tree[:, :2].astype(int):
        found.append(found[left] | found[right])
    return found[len(tree) + 1 :]


@settings(max_examples=200, deadline=None)
@given(tokens, tokens, scorings, st.booleans())
def test_columns_add_up_to_the_score(a, b, scoring: Scoring, with_matrix: bool) -> None:
    half = np.random.default_rng(0).integers(-4, 5, (5, 5))
    matrix = half + half.T if with_matrix else None
    columns = column_scores(a, b, scoring, matrix)
    assert columns.sum() == score(a, b, scoring, matrix)
    assert max(len(a), len(b)) <= len(columns) <= len(a) + len(b)


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_those_of_biopython(seed: int) -> None:
    consensus = pytest.importorskip("Bio.Phylo.Consensus")
    from Bio import Phylo
    from scipy.cluster.hierarchy import to_tree

    def newick(node) -> str:
        if node.is_leaf():
            return f"t{node.id}"
        return f"({newick(node.left)},{newick(node.right)})"

    def phylo(tree):
        return Phylo.read(StringIO(newick(to_tree(tree)) + ";"), "newick")

    random = np.random.default_rng(seed)
    points = random.normal(size=(9, 3))

    def random_tree(noise: float) -> np.ndarray:
        moved = points + noise * random.normal(size=points.shape)
        distances = np.linalg.norm(moved[:, None] - moved[None], axis=-1)
        return linkage(1 - distances / distances.max())

    tree, trees = random_tree(0), [random_tree(0.3) for _ in range(40)]
    shares = shared_clusters(tree, trees)
    assert 0 < shares.min() < 1
    oracle = {
        frozenset(int(leaf.name[1:]) for leaf in clade.get_terminals()): clade.confidence / 100
        for clade in consensus.get_support(phylo(tree), map(phylo, trees), 40).get_nonterminals()
        if clade.confidence is not None
    }
    found = dict(zip(members(tree), shares, strict=True))
    assert len(oracle) >= len(found) - 1  # Biopython may leave out the root
    for cluster, share in oracle.items():
        assert found[cluster] == pytest.approx(share)


@pytest.mark.parametrize("similarity", ["range", "rows"])
def test_two_far_families_are_certain(similarity: str) -> None:
    rows = families(np.random.default_rng(0), changes=8)
    support = branch_support(rows, by_range(rows) if similarity == "range" else by_rows)
    found = dict(zip(members(support.tree), support.share, strict=True))
    assert found[frozenset({0, 1, 2})] == found[frozenset({3, 4, 5})] == 1
    assert found[frozenset(range(6))] == 1


def test_branches_of_random_sequences_are_not() -> None:
    random = np.random.default_rng(1)
    rows = [random.integers(0, 6, 40) for _ in range(12)]
    support = branch_support(rows, by_range(rows))
    assert support.share[-1] == 1
    assert support.share[:-1].mean() < 0.5
    assert support.share.min() < 0.1


def test_more_columns_make_branches_firmer() -> None:
    means = []
    for times in (1, 20):
        random = np.random.default_rng(2)
        rows = [np.concatenate([row] * times) for row in families(random, changes=40)]
        means.append(branch_support(rows, by_range(rows)).share[:-1].mean())
    assert means[1] > means[0] + 0.05


@pytest.mark.parametrize("scoring", [Scoring(), Scoring(2, -1, -3, -1), Scoring(borders="zero")])
def test_single_columns_are_drawn_as_a_multinomial(scoring: Scoring) -> None:
    """With runs of 1: the mean is the score, the variance that of drawing with replacement."""
    random = np.random.default_rng(3)
    rows = [random.integers(0, 4, n) for n in (30, 42)]
    scores = score_matrix(rows, scoring)
    drawn = bootstrap_scores(rows, scores, scoring, replicates=4000, run=1)
    columns = column_scores(rows[0], rows[1], scoring)
    variance = len(columns) * columns.var()
    assert drawn[:, 0, 1].mean() == pytest.approx(scores[0, 1], abs=4 * (variance / 4000) ** 0.5)
    assert drawn[:, 0, 1].var() == pytest.approx(variance, rel=0.12)
    assert (drawn[:, 0, 0] == scores[0, 0]).all()


def test_runs_are_drawn_in_a_circle() -> None:
    """Each column is in as many runs as any other, so the mean of all draws is the score."""
    rows = [[0] * 10 + [1] * 10, [0] * 10]
    scores = score_matrix(rows)
    for run, values in ((20, {0}), (25, {0}), (10, set(range(-20, 21, 2)))):
        drawn = bootstrap_scores(rows, scores, Scoring(), replicates=4000, run=run)[:, 0, 1]
        assert set(drawn.tolist()) <= values
        assert drawn.mean() == pytest.approx(0, abs=0.6)
    # A gap of ten layers is one event: its columns vary together.
    runs, single = (
        bootstrap_scores(rows, scores, Scoring(), replicates=2000, run=run)[:, 0, 1].std()
        for run in (5, 1)
    )
    assert runs > 1.5 * single


@settings(max_examples=40, deadline=None)
@given(st.lists(tokens, min_size=2, max_size=5), st.data())
def test_equal_sequences_are_drawn_alike_in_any_order(rows, data: st.DataObject) -> None:
    rows = [*rows, rows[0]]
    scores = score_matrix(rows)
    drawn = bootstrap_scores(rows, scores, Scoring(), replicates=7)
    assert np.array_equal(drawn, drawn.transpose(0, 2, 1))
    assert np.array_equal(drawn[:, 0], drawn[:, -1])
    order = data.draw(st.permutations(range(len(rows))))
    mixed = [rows[place] for place in order]
    again = bootstrap_scores(mixed, score_matrix(mixed), Scoring(), replicates=7)
    assert np.array_equal(drawn[:, order][:, :, order], again)


def test_branches_without_length_have_no_support() -> None:
    random = np.random.default_rng(4)
    a, b = random.integers(0, 6, 40), random.integers(0, 6, 40)
    support = branch_support([a, a, a, b], by_range([a, a, a, b]))
    assert np.isnan(support.share[0])  # two of three equal ones
    assert support.share[1:].tolist() == [1, 1]


def test_the_same_again_and_other_seeds() -> None:
    rows = families(np.random.default_rng(5), changes=45)
    one = branch_support(rows, by_range(rows))
    assert np.array_equal(one.share, branch_support(rows, by_range(rows)).share)
    assert not np.array_equal(one.share, branch_support(rows, by_range(rows), seed=1).share)
    assert one.replicates == 100
    assert np.array_equal(one.tree, linkage(by_range(rows)(score_matrix(rows))))


def test_few_sequences() -> None:
    for rows in ([], [[0, 1]]):
        support = branch_support(rows, by_range(rows))
        assert support.tree.shape == (0, 4)
        assert support.share.shape == (0,)
    assert branch_support([[0, 1], [0, 2]], by_range([[0, 1], [0, 2]])).share.tolist() == [1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"replicates": 0}, "replicates is 0"),
        ({"run": 0}, "run is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_options(options: dict, says: str) -> None:
    rows = [[0, 1], [1, 1]]
    with pytest.raises(AlignmentError, match=says):
        branch_support(rows, by_range(rows), **options)
    with pytest.raises(AlignmentError, match="from -1 to 1"):
        branch_support(rows, lambda scores: scores + 5.0)


@pytest.mark.parametrize("similarity", ["normalized", "correlation", "corrected"])
@pytest.mark.parametrize("credit", [None, 0])
def test_support_of_an_outcome_is_of_its_own_tree_and_options(
    similarity: str, credit: int | None
) -> None:
    def network(name: str, kinds: str) -> Architecture:
        named = {"c": "conv2d", "r": "relu", "l": "linear", "p": "max_pool", "w": "conv2d"}
        layers = (Layer(named[k], (3, 3) if k == "w" else (), (1, 1)) for k in kinds)
        return Architecture(name, name[0], tuple(layers))

    few = [
        network("a1", "crcrcrpcrcrl"),
        network("a2", "crcrpcrcrcrl"),
        network("b1", "lplplplwlpl"),
        network("b2", "lplplwlplp"),
        network("c1", "wrpwrpwrpwl"),
    ]
    options = Options("geometry", partial=credit, similarity=similarity, representatives=2)
    outcome = compute(few, options, with_variants=False)
    found = support_of(outcome, replicates=20, seed=3)
    assert np.array_equal(found.tree, linkage(outcome.similarity_matrix))
    assert found.replicates == 20
    tokens = outcome.tokenized
    again = branch_support(
        tokens.sequences,
        rule_of(tokens, options),
        options.scoring,
        None if credit is None else partial_credit(tokens.vocabulary, options.scoring, credit),
        replicates=20,
        seed=3,
    )
    assert np.array_equal(found.share, again.share, equal_nan=True)
    assert found.share[-1] == 1


def test_support_of_one_architecture() -> None:
    one = compute([Architecture("a", "a", (Layer("relu"),))], Options(), with_variants=False)
    assert len(support_of(one).share) == 0
