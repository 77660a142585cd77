"""The tree and the similarities, read back by those who would read them."""

import io

import networkx as nx
import numpy as np
import pytest
from Bio import Phylo
from nasty_names import NAMES, nasty_zoo
from scipy.cluster.hierarchy import cophenet
from scipy.spatial.distance import squareform
from skbio import TreeNode

from alignment import AlignmentError, Options, compute
from alignment.outcome import Alignment
from alignment.representatives import linkage
from alignment.tree_support import support_of


@pytest.fixture(scope="module")
def outcome() -> Alignment:
    return compute(nasty_zoo(9), Options("layer", representatives=3), with_variants=False)


def merged_at(outcome: Alignment) -> np.ndarray:
    return squareform(cophenet(linkage(outcome.similarity_matrix)))


def test_newick_is_read_by_scikit_bio(outcome: Alignment) -> None:
    tree = TreeNode.read(io.StringIO(outcome.to_newick()), format="newick")
    # From tip to tip along the tree is where SciPy says that the two are merged.
    found = tree.cophenet()
    assert sorted(found.ids) == sorted(outcome.names)
    assert np.allclose(found.filter(outcome.names).data, merged_at(outcome), atol=1e-7)


def test_newick_is_read_by_biopython(outcome: Alignment) -> None:
    zoo = [one for one in nasty_zoo(9) if "'" not in one.name]  # it knows no doubled quotes
    outcome = compute(zoo, Options("layer", representatives=3), with_variants=False)
    tree = Phylo.read(io.StringIO(outcome.to_newick()), "newick")
    tips = {tip.name.replace("\\\\", "\\"): tip for tip in tree.get_terminals()}
    assert sorted(tips) == sorted(outcome.names)
    wanted = merged_at(outcome)
    for i, one in enumerate(outcome.names):
        for j in range(i):
            assert tree.distance(tips[one], tips[outcome.names[j]]) == pytest.approx(
                wanted[i, j], abs=1e-7
            )


def test_support_stands_at_its_branch(outcome: Alignment) -> None:
    support = support_of(outcome, replicates=20)
    tree = Phylo.read(io.StringIO(outcome.to_newick(support=support)), "newick")
    # Equal sequences merge at no length, and such merges say nothing.
    wanted = [100 * share for share in support.share[:-1] if not np.isnan(share)]
    found = [one.confidence for one in tree.get_nonterminals() if one.confidence is not None]
    assert sorted(found) == pytest.approx(sorted(wanted), abs=0.5)


def test_the_support_of_another_tree_is_refused(outcome: Alignment) -> None:
    other = compute(nasty_zoo(9), Options("geometry", representatives=3, similarity="correlation"))
    with pytest.raises(AlignmentError, match="of another tree"):
        outcome.to_newick(support=support_of(other, replicates=2))


def test_graphml_is_read_by_networkx(outcome: Alignment) -> None:
    graph = nx.read_graphml(io.BytesIO(outcome.to_graphml().encode()))
    assert sorted(graph) == sorted(outcome.names)
    assert set(NAMES) < set(graph)
    similarity, tokens = outcome.similarity, outcome.tokens
    for one, other, weight in graph.edges(data="weight"):
        assert weight == similarity.loc[one, other]
    assert graph.number_of_edges() == len(outcome) * (len(outcome) - 1) / 2
    for name, attributes in graph.nodes(data=True):
        for key in ("family", "length", "params", "flops"):
            assert attributes[key] == tokens.loc[name, key]
    marked = {name for name, chosen in graph.nodes(data="representative") if chosen}
    assert marked == set(outcome.representative_names)
    cluster = outcome.representatives.cluster
    assert dict(graph.nodes(data="cluster")) == cluster.to_dict()
    assert graph.graph["similarity"] == outcome.options.title()


def test_one_alone_has_no_tree() -> None:
    outcome = compute(nasty_zoo()[:1])
    with pytest.raises(AlignmentError, match="is alone"):
        outcome.to_newick()
    assert nx.parse_graphml(outcome.to_graphml()).number_of_nodes() == 1
