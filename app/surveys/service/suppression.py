"""Which cells of a breakdown stay hidden, so that no small group of people can be told from the rest.

Hiding the small cells alone protects nobody: whoever knows the total subtracts what is shown. So more cells
are hidden, small ones first, until the arithmetic leads nowhere. What the reader is taken to know: the total,
every cell shown, the total of each row and column as far as a breakdown by that field alone shows it, and
that no count is negative.

Empty cells are hidden last, but sometimes they must be: where only one cell of a row can hold anybody, the
row's total gives it away.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

MINIMUM = 5
"""Fewer answers than this are never shown on their own."""

Cell = tuple[Any, ...]
Node = tuple[str, Any]

_ROW, _COLUMN = "row", "column"
_UNKNOWN = object()


def suppress(cells: Mapping[Cell, int], minimum: int = MINIMUM) -> set[Cell]:
    """The keys of the cells to hide: 1-tuples of a list, or 2-tuples (row, column) of a table.

    Of a table the answer may name cells that `cells` does not: empty ones. With fewer than `minimum` answers
    in all, every cell that is not empty is hidden, and the caller has to hide the total as well. ValueError
    for other keys.
    """
    fields = {len(cell) for cell in cells}
    if len(fields - {1, 2}) > 0 or len(fields) > 1:
        raise ValueError("cells are keyed by one field, or all of them by two")
    if sum(cells.values()) < minimum:
        return {cell for cell, n in cells.items() if n}
    return _of_table(cells, minimum) if fields == {2} else _of_list(cells, minimum)


def _of_list(cells: Mapping[Cell, int], minimum: int) -> set[Cell]:
    """The small cells, then the next smallest, until their sum could be shared out in more than one way.

    One answer in each hidden cell would be one way only for who knows that none of them is empty.
    """
    ordered = sorted(cells, key=lambda cell: _price(cells[cell], cell))
    hidden = [cell for cell in ordered if 0 < cells[cell] < minimum]
    for cell in ordered[len(hidden) :]:
        total = sum(cells[each] for each in hidden)
        if not hidden or (len(hidden) > 1 and total >= max(minimum, len(hidden) + 1)):
            break
        hidden.append(cell)
    return set(hidden)


def _of_table(cells: Mapping[Cell, int], minimum: int) -> set[Cell]:
    """The small cells, then whatever gives each of them room. More hidden cells never leave less room."""
    table = _Table(cells, minimum)
    waiting = deque(sorted((cell for cell, n in cells.items() if 0 < n < minimum), key=repr))
    for cell in waiting:
        table.hide(cell)
    while waiting:
        cell = waiting[0]
        helper = table.needed_for(cell, minimum)
        if helper is None:
            waiting.popleft()
        else:
            table.hide(helper)
            waiting.append(helper)
    return table.hidden


class _Table:
    """A table as its reader sees it: a network on which answers can move about unnoticed.

    Rows and columns are nodes, each hidden cell joins its row and its column. Answers may go around any
    circle of hidden cells, one up, the next one down, and no total changes. All rows without a known total
    are one node, for only their sum is known; so are all such columns.
    """

    def __init__(self, cells: Mapping[Cell, int], minimum: int) -> None:
        rows, columns = _nodes(cells, 0, minimum), _nodes(cells, 1, minimum)
        self.counts: dict[Cell, int] = {cell: cells.get(cell, 0) for cell in product(rows, columns)}
        self.ends = {(row, column): (rows[row], columns[column]) for row, column in self.counts}
        self.hidden: set[Cell] = set()
        self._joined: dict[Node, list[Cell]] = defaultdict(list)

    def hide(self, cell: Cell) -> None:
        """One cell more that the reader does not see."""
        self.hidden.add(cell)
        for node in self.ends[cell]:
            self._joined[node].append(cell)

    def needed_for(self, cell: Cell, minimum: int) -> Cell | None:
        """The cheapest cell to hide so that this one gets room. None if it has enough, or cannot get more.

        How high a cell could be is the smallest sum of hidden cells, it among them, that can be worked out
        from totals. So where this bound is the minimum or more, so is every such sum.
        """
        count, (row, column) = self.counts[cell], self.ends[cell]
        if not count:
            return None
        wanted = max(minimum - count, 1)
        rise, reached = self._room(cell, column, row, wanted)
        if rise >= wanted:
            return None
        if count < minimum:
            return self._way_out(reached)
        fall, reached_down = self._room(cell, row, column, 1)
        return None if fall else self._way_out(reached) or self._way_out(reached_down)

    def _room(self, cell: Cell, start: Node, end: Node, wanted: int) -> tuple[int, set[Node]]:
        """How many answers can go from node to node past the cell, and the nodes in reach if too few can."""
        moved: dict[Cell, int] = defaultdict(int)
        room = 0
        while room < wanted:
            came_by = self._search(cell, start, end, moved)
            if end not in came_by:
                return room, set(came_by)
            path = list(_back(came_by, end))
            falling = [self.counts[each] + moved[each] for each, node in path if node[0] == _COLUMN]
            step = min([wanted - room, *falling])
            for each, node in path:
                moved[each] += step if node[0] == _ROW else -step
            room += step
        return room, set()

    def _search(
        self, cell: Cell, start: Node, end: Node, moved: Mapping[Cell, int]
    ) -> dict[Node, tuple[Cell, Node] | None]:
        """Breadth first: the nodes in reach, and by which cell from which node each was reached."""
        came_by: dict[Node, tuple[Cell, Node] | None] = {start: None}
        queue = deque([start])
        while queue and end not in came_by:
            node = queue.popleft()
            for each in self._joined[node]:
                row, column = self.ends[each]
                other = column if node == row else row
                can_fall = self.counts[each] + moved[each] > 0
                if each != cell and other not in came_by and (node == row or can_fall):
                    came_by[other] = (each, node)
                    queue.append(other)
        return came_by

    def _way_out(self, reached: set[Node]) -> Cell | None:
        """The cheapest cell whose hiding lets answers leave these nodes: it would rise, or could fall."""
        ways = (
            cell
            for cell, (row, column) in self.ends.items()
            if cell not in self.hidden
            and (row in reached) != (column in reached)
            and (row in reached or self.counts[cell])
        )
        return min(ways, key=lambda cell: _price(self.counts[cell], cell), default=None)


def _nodes(cells: Mapping[Cell, int], place: int, minimum: int) -> dict[Any, Node]:
    """The node of each row (place 0) or column (place 1): its own if its total is shown."""
    totals: dict[Cell, int] = defaultdict(int)
    for cell, n in cells.items():
        totals[(cell[place],)] += n
    unknown, kind = _of_list(totals, minimum), (_ROW, _COLUMN)[place]
    return {line[0]: (kind, _UNKNOWN if line in unknown else line[0]) for line in sorted(totals, key=repr)}


def _back(came_by: Mapping[Node, tuple[Cell, Node] | None], end: Node) -> Iterator[tuple[Cell, Node]]:
    """The way to `end`, backwards: each cell with the node that it was left from."""
    step = came_by[end]
    while step is not None:
        yield step
        step = came_by[step[1]]


def _price(count: int, cell: Cell) -> tuple[bool, int, str]:
    """What hiding a cell costs the reader: small cells are cheap; to hide that nobody is there comes last."""
    return not count, count, repr(cell)
