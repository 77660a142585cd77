"""Fronts, crowding and hypervolume, against what they are by definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.pareto import crowding, front, hypervolume, selection_order

points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25).map(
    lambda rows: np.array(rows, dtype=float)
)


@settings(max_examples=100, deadline=None)
@given(points=points)
def test_the_front_is_what_nothing_dominates(points: np.ndarray) -> None:
    def dominated(row: np.ndarray) -> bool:
        return any((other <= row).all() and (other < row).any() for other in points)

    assert front(points).tolist() == [not dominated(row) for row in points]


@settings(max_examples=50, deadline=None)
@given(points=points)
def test_selection_goes_front_by_front(points: np.ndarray) -> None:
    order = selection_order(points)
    assert sorted(order) == list(range(len(points)))
    left = list(range(len(points)))
    while left:
        level = {left[i] for i in np.flatnonzero(front(points[left]))}
        assert set(order[: len(level)]) == level
        order, left = order[len(level) :], [row for row in left if row not in level]


@settings(max_examples=50, deadline=None)
@given(points=points)
def test_hypervolume_counts_the_cells_that_are_dominated(points: np.ndarray) -> None:
    # On whole numbers the area is the number of unit cells below and left of the reference.
    cells = sum(
        any(row[0] <= x and row[1] <= y for row in points) for x in range(8) for y in range(7)
    )
    assert hypervolume(points, (8, 7)) == cells


def test_more_points_command_no_less() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.random((40, 2))
    areas = [hypervolume(drawn[:count], (1.0, 1.0)) for count in range(1, 41)]
    assert areas == sorted(areas)
    inside = rng.random((200_000, 2))
    dominated = np.zeros(len(inside), dtype=bool)
    for row in drawn:
        dominated |= (inside >= row).all(axis=1)
    assert areas[-1] == pytest.approx(dominated.mean(), abs=0.004)


def test_crowding_is_that_of_a_worked_example() -> None:
    line = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    assert crowding(line).tolist() == [np.inf, 1.5, 1.5, np.inf]
