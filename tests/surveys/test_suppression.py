"""What a reader of a breakdown cannot work out, tried by a reader who tries everything."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.surveys.service.suppression import MINIMUM, suppress

Cell = tuple[Any, ...]
counts = st.one_of(st.integers(0, 6), st.integers(0, 40))


def a_list(values: list[int]) -> dict[Cell, int]:
    return {(f"cell {place}",): value for place, value in enumerate(values)}


def a_table(rows: list[list[int]]) -> dict[Cell, int]:
    return {(f"row {y}", f"column {x}"): n for y, row in enumerate(rows) for x, n in enumerate(row)}


def hidden_counts(cells: Mapping[Cell, int]) -> list[int]:
    return sorted(cells.get(cell, 0) for cell in suppress(cells))


tables = st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(
    lambda size: st.lists(
        st.lists(counts, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
    ).map(a_table)
)
small_tables = st.lists(
    st.lists(st.integers(0, 6), min_size=2, max_size=2), min_size=2, max_size=3
).map(a_table)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "hidden"),
    [
        ([], []),
        ([0, 0], []),
        ([5, 80], []),
        ([0, 12, 30], []),
        ([3, 12, 30], [3, 12]),
        ([4, 1, 30], [1, 4]),
        ([2, 2, 9, 30], [2, 2, 9]),
        ([3, 3, 9, 30], [3, 3]),
        ([1, 1, 1, 1, 1, 30], [1, 1, 1, 1, 1, 30]),
        ([1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1]),
        ([3, 0, 0], [3]),
    ],
)
def test_a_list_hides_the_small_and_as_many_more_as_it_takes(values: list[int], hidden: list[int]) -> None:
    assert hidden_counts(a_list(values)) == hidden


@pytest.mark.parametrize(
    ("rows", "hidden"),
    [
        ([[10, 20], [30, 40]], []),
        ([[3, 20], [30, 40]], [3, 20, 30, 40]),
        ([[3, 20, 21], [30, 40, 6], [9, 8, 70]], [3, 8, 9, 20]),
        ([[7, 3], [0, 20]], [0, 3, 7, 20]),
        ([[2, 2]], [2, 2]),
    ],
)
def test_a_table_keeps_every_row_and_column_safe(rows: list[list[int]], hidden: list[int]) -> None:
    assert hidden_counts(a_table(rows)) == hidden


def test_sums_over_several_rows_and_columns_are_safe_too() -> None:
    """Each line alone may hide enough: rows 0 and 1 less column 0 must not leave the two ones."""
    check_nothing_follows(a_table([[9, 1, 50, 50], [9, 50, 1, 50], [50, 9, 50, 9], [50, 50, 9, 9]]))


def test_empty_cells_that_nobody_listed_count_as_cells() -> None:
    cells = a_table([[7, 3], [0, 20]])
    listed = {cell: n for cell, n in cells.items() if n}
    assert suppress(listed) == suppress(cells) == set(cells)


def test_it_does_not_matter_in_which_order_cells_come() -> None:
    cells = a_table([[3, 9, 9], [9, 9, 9], [9, 9, 9]])
    assert suppress(dict(reversed(cells.items()))) == suppress(cells)


@pytest.mark.parametrize("cells", [{(): 3}, {("a", "b", "c"): 1}, {("a",): 1, ("a", "b"): 2}])
def test_other_shapes_are_refused(cells: dict[Cell, int]) -> None:
    with pytest.raises(ValueError, match="keyed by"):
        suppress(cells)


@given(st.lists(counts, max_size=6))
def test_no_cell_of_a_list_follows_from_the_total(values: list[int]) -> None:
    cells = a_list(values)
    hidden = sorted(suppress(cells))
    assert {cell for cell, n in cells.items() if 0 < n < MINIMUM} <= set(hidden)
    total = sum(cells[cell] for cell in hidden)
    if not hidden or sum(values) < MINIMUM:
        return
    assert total >= MINIMUM
    assert len(hidden) > 1
    everybody_is_one = set(values) == {1}
    assert total > len(hidden) or 0 in (cells[cell] for cell in hidden) or everybody_is_one


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(tables)
def test_no_sum_of_a_table_follows_from_totals(cells: dict[Cell, int]) -> None:
    check_nothing_follows(cells)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(small_tables)
def test_no_cell_of_a_table_is_bounded_by_totals(cells: dict[Cell, int]) -> None:
    """All tables that look the same to the reader, one by one: hidden cells differ, and could be large."""
    if sum(cells.values()) < MINIMUM:
        return
    hidden = sorted(suppress(cells))
    seen: list[set[int]] = [set() for _ in hidden]
    for values in look_alikes(sums_known(cells, hidden), len(hidden)):
        for place, value in enumerate(values):
            seen[place].add(value)
    for cell, values_seen in zip(hidden, seen, strict=True):
        if cells[cell]:
            assert len(values_seen) > 1, cell
            assert max(values_seen) >= MINIMUM, cell


def check_nothing_follows(cells: dict[Cell, int]) -> None:
    """No sum of hidden cells that linear arithmetic yields is one cell, or less than allowed."""
    hidden = sorted(suppress(cells))
    assert {cell for cell, n in cells.items() if 0 < n < MINIMUM} <= set(hidden)
    if sum(cells.values()) < MINIMUM:
        return
    freedom = null_space([row for row, _ in sums_known(cells, hidden)], len(hidden))
    for size in range(1, len(hidden) + 1):
        for places in combinations(range(len(hidden)), size):
            total = sum(cells[hidden[place]] for place in places)
            if total and all(sum(way[place] for place in places) == 0 for way in freedom):
                assert size > 1, hidden[places[0]]
                assert total >= MINIMUM, [hidden[place] for place in places]


def sums_known(cells: dict[Cell, int], hidden: list[Cell]) -> list[tuple[list[int], int]]:
    """What the reader can write down: which hidden cells add up to what."""
    known = [([1] * len(hidden), sum(cells[cell] for cell in hidden))]
    for place in (0, 1):
        lines = {(cell[place],) for cell in cells}
        totals = {line: sum(n for cell, n in cells.items() if cell[place] == line[0]) for line in lines}
        for line in lines - suppress(totals):
            inside = [int(cell[place] == line[0]) for cell in hidden]
            known.append((inside, sum(cells[cell] for cell in hidden if cell[place] == line[0])))
    return known


def null_space(rows: list[list[int]], width: int) -> list[list[Fraction]]:
    """In which ways the unknowns can change without any of the sums changing."""
    matrix, pivots = [[Fraction(number) for number in row] for row in rows], []
    for column in range(width):
        top = len(pivots)
        chosen = next((y for y in range(top, len(matrix)) if matrix[y][column]), None)
        if chosen is None:
            continue
        matrix[top], matrix[chosen] = matrix[chosen], matrix[top]
        matrix[top] = [number / matrix[top][column] for number in matrix[top]]
        for y, row in enumerate(matrix):
            if y != top and row[column]:
                matrix[y] = [a - row[column] * b for a, b in zip(row, matrix[top], strict=True)]
        pivots.append(column)
    ways = []
    for free in (column for column in range(width) if column not in pivots):
        way = [Fraction(int(column == free)) for column in range(width)]
        for y, pivot in enumerate(pivots):
            way[pivot] = -matrix[y][free]
        ways.append(way)
    return ways


def look_alikes(known: list[tuple[list[int], int]], width: int) -> Iterator[list[int]]:
    """Every way to fill the hidden cells with counts of 0 and more so that all the known sums come out."""

    def fill(values: list[int], left: list[int]) -> Iterator[list[int]]:
        place = len(values)
        if place == width:
            yield from [values] if not any(left) else []
            return
        through = [line for line, (inside, _) in enumerate(known) if inside[place]]
        for value in range(min(left[line] for line in through) + 1):
            rest = [sum_ - value if line in through else sum_ for line, sum_ in enumerate(left)]
            if all(
                any(inside[place + 1 :]) or not sum_ for (inside, _), sum_ in zip(known, rest, strict=True)
            ):
                yield from fill([*values, value], rest)

    return fill([], [total for _, total in known])
