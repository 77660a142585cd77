"""What the figures show, and that they leave nothing behind."""

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.text import Text
from nasty_names import NAMES, nasty_zoo
from PIL import Image
from scipy.cluster.hierarchy import dendrogram

from alignment import AlignmentError, Options, compute, write_figures
from alignment.colours import SCALES, palette
from alignment.dendrograms import branches_of
from alignment.drawing import text_width, wrapped
from alignment.options import PRESETS
from alignment.outcome import Alignment
from alignment.representatives import linkage
from alignment.similarity import SIMILARITIES
from alignment.support import Support
from alignment.tree_support import support_of

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing from")


def aligned(more: int = 0, similarity: str = "normalized") -> Alignment:
    options = Options("layer", similarity=similarity, representatives=3)
    return compute(nasty_zoo(more), options, with_variants=False)


def named(axes: Axes) -> list[str]:
    return [label.get_text().removesuffix(" ●") for label in axes.get_yticklabels()]


@pytest.mark.parametrize("name", ["rocket", "mako"])
def test_palettes_are_those_of_seaborn(name: str) -> None:
    steps = np.linspace(0, 1, 256)
    apart = palette(name)(steps) - sns.color_palette(name, as_cmap=True)(steps)
    assert np.abs(apart).max() < 3 / 255


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_the_heatmap_shows_the_similarities(kind: str) -> None:
    outcome = aligned(similarity=kind)
    for order, names in (
        ("published", list(outcome.names)),
        ("clustered", [outcome.names[k] for k in dendrogram(
            linkage(outcome.similarity_matrix), no_plot=True)["leaves"]]),
    ):  # fmt: skip
        axes = outcome.plot_heatmap(order=order)
        assert named(axes) == names
        (image,) = axes.get_images()
        assert np.array_equal(image.get_array(), outcome.similarity.loc[names, names])
        # The first name is above, as in the paper's figure.
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        assert image.get_clim() == (SCALES[kind].low, SCALES[kind].high)
        assert image.get_clim()[0] <= outcome.similarity_matrix.min()
        assert outcome.options.words() in " ".join(axes.get_title(loc="left").split())


def test_the_papers_figure() -> None:
    options = PRESETS["paper"]
    zoo = [
        type(one)(one.name, one.family, one.layers, tuple(k.kind for k in one.layers))
        for one in nasty_zoo()
    ]
    axes = compute(zoo, options, with_variants=False).plot_heatmap()
    assert named(axes) == NAMES  # as they were given
    (image,) = axes.get_images()
    assert image.get_cmap().name == "rocket"
    assert image.get_clim() == (-1, 1)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_names_are_text_and_fit(count: int) -> None:
    outcome = compute(nasty_zoo(count)[:count], Options(representatives=2), with_variants=False)
    for axes in (outcome.plot_heatmap(), outcome.plot_tree()):
        labels = [*axes.get_yticklabels(), *axes.get_legend().get_texts()]
        assert sorted(named(axes)) == sorted(outcome.names)
        assert {text.get_text() for text in axes.get_legend().get_texts()} == set(
            outcome.tokenized.families
        )
        assert not any(text.get_parse_math() for text in labels)
        axes.figure.canvas.draw()
        whole = axes.figure.bbox
        below = axes.get_xticklabels() if axes.get_images() else []  # the tree has a scale there
        boxes = [text.get_window_extent() for text in (*labels, *below)]
        legend = axes.get_legend().get_window_extent()
        title = axes.get_title(loc="left")
        (heading,) = (one for one in axes.findobj(Text) if one.get_text() == title)
        for box in (*boxes, legend, heading.get_window_extent()):
            assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
            assert whole.y0 <= box.y0 <= box.y1 <= whole.y1
        names = [text.get_window_extent() for text in axes.get_yticklabels()]
        assert max(box.x1 for box in names) < legend.x0
        for upper, lower in pairwise(names):
            assert not upper.overlaps(lower)


def test_the_tree_is_that_of_scipy() -> None:
    outcome = aligned(9, "correlation")
    tree = linkage(outcome.similarity_matrix)
    drawn = dendrogram(tree, no_plot=True)
    wanted = {
        tuple(np.round([*x, *y], 6))
        for y, x in zip((np.array(drawn["icoord"]) - 5) / 10, drawn["dcoord"], strict=True)
    }
    found = {tuple(np.round([*line[:, 0], *line[:, 1]], 6)) for line in branches_of(tree)}
    assert found == wanted
    axes = outcome.plot_tree()
    assert named(axes) == [outcome.names[leaf] for leaf in drawn["leaves"]]
    (lines,) = (one for one in axes.collections if isinstance(one, LineCollection))
    assert len(lines.get_paths()) == len(outcome) - 1


def test_support_stands_at_the_branches() -> None:
    outcome = aligned()
    support = support_of(outcome, replicates=10)
    share = support.share.copy()
    share[0] = np.nan
    axes = outcome.plot_tree(support=Support(support.tree, share, 10))
    found = {(text.xy, text.get_text()) for text in axes.texts}
    middle = branches_of(support.tree)[:, 1:3].mean(1)
    # The root holds all; where a branch has no length there is nothing to say.
    wanted = {
        (tuple(middle[k]), f"{100 * share[k]:.0f}")
        for k in range(len(share) - 1)
        if not np.isnan(share[k])
    }
    assert found == wanted
    assert not outcome.plot_tree().texts


def test_axes_of_ones_own() -> None:
    figure, both = plt.subplots(1, 2, figsize=(14, 6), layout="constrained")
    outcome = aligned(12)
    assert outcome.plot_heatmap(both[0], order="clustered") is both[0]
    assert outcome.plot_tree(both[1]) is both[1]
    figure.canvas.draw()
    assert plt.get_fignums() == [figure.number]
    assert figure.axes == list(both)
    # The layout made room: no names of the left one in the tree of the right one.
    legend = both[0].get_legend().get_window_extent()
    assert legend.x1 < both[1].get_window_extent().x0
    plt.close(figure)


def test_a_notebook_shows_the_axes() -> None:
    for axes in (aligned().plot_heatmap(), aligned().plot_tree()):
        picture = Image.open(io.BytesIO(axes._repr_png_()))
        assert picture.format == "PNG"
        assert picture.size[0] > 500
    page = aligned()._repr_html_()
    assert "&lt;!--&lt;script&gt;" in page
    assert "<script" not in page


def test_nothing_is_left_of_pyplot_or_the_users_settings(tmp_path: Path) -> None:
    settings = {"text.usetex": True, "font.family": ["serif"]}  # of a user who has LaTeX
    with mpl.rc_context(settings):
        before, backend = dict(mpl.rcParams), mpl.get_backend()
        write_figures(aligned(), tmp_path)
        assert dict(mpl.rcParams) == before
        assert mpl.get_backend() == backend
    assert plt.get_fignums() == []


@pytest.mark.slow
def test_figures_need_no_seaborn_pyplot_or_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from alignment import Architecture, Layer, compute, write_figures;"
        "zoo = [Architecture(k * 'x', 'x', (Layer('relu'),) * k) for k in range(1, 6)];"
        f"write_figures(compute(zoo), Path({str(tmp_path)!r}));"
        "heavy = {'pandas', 'sklearn', 'seaborn', 'matplotlib.pyplot', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.slow
def test_threads_draw_the_same(tmp_path: Path) -> None:
    outcome = aligned()
    before = dict(mpl.rcParams)
    folders = [tmp_path / str(k) for k in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda folder: write_figures(outcome, folder), folders))
    for name in ("heatmap.png", "tree.png", "silhouette.png"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("preset", PRESETS)
def test_titles_say_what_numbers_mean(preset: str) -> None:
    words = PRESETS[preset].words()
    for told in ("similarity: ", "tokens: ", "scores: equal tokens ", "different ", "gap "):
        assert told in words
    assert not words.startswith(PRESETS[preset].normalization)


def test_an_unknown_order() -> None:
    with pytest.raises(AlignmentError, match=r"unknown order 'cluster'; .* did you mean clustered"):
        aligned().plot_heatmap(order="cluster")
    with pytest.raises(AlignmentError, match="is alone"):
        compute(nasty_zoo()[:1]).plot_tree()


def test_long_titles_are_wrapped() -> None:
    parts = ["match 1 mismatch -1", "gap -1", "classic borders"]
    assert wrapped(parts, 100, 9) == "; ".join(parts)
    assert wrapped(parts, text_width(parts[:1], 9) + 0.01, 9) == ";\n".join(parts)
    # A part that is too wide by itself is broken at its spaces.
    assert wrapped(["equal tokens score", "gaps cost"], 0.1, 9) == (
        "equal\ntokens\nscore;\ngaps\ncost"
    )
    assert wrapped([], 1, 9) == ""
