"""What an anonymous survey does not publish, so that nobody can be found by counting."""

from collections.abc import Mapping
from typing import Any

from app.surveys.service.suppression import MINIMUM, Cell, suppress


class Withholding:
    """Decides which numbers are shown: of a survey that is not anonymous all of them, and none at all where
    so few answers are selected, or left out, that any number would tell of those."""

    def __init__(self, *, anonymous: bool, everything: bool = False) -> None:
        self.anonymous = anonymous
        self.everything = everything

    @classmethod
    def of(cls, *sizes: int) -> "Withholding":
        """For an anonymous survey. `sizes`: of the selected answers, and of whatever can be worked out."""
        return cls(anonymous=True, everything=any(0 < size < MINIMUM for size in sizes))

    @property
    def minimum(self) -> int | None:
        """Fewer answers than this are not published; None where any are."""
        return MINIMUM if self.anonymous else None

    def withholds(self, count: int) -> bool:
        """Whether a number about so many answers is hidden. That there are none is no secret."""
        return self.everything or (self.anonymous and 0 < count < MINIMUM)

    def hidden(self, cells: Mapping[Cell, int]) -> set[Cell]:
        """The cells of a list or table to hide, those included that would give others away."""
        if self.everything:
            return set(cells)
        return suppress(cells) if self.anonymous else set()

    def distribution(self, counts: Mapping[Any, int], *beside: int) -> dict[str, int | None]:
        """The counts of a scale's values or bands: all of them or, if one is withheld, none. `beside` are
        counts that would follow from these.

        Mean and score are sums of the same counts: were the others shown, the few hidden ones would be what
        solves these sums.
        """
        withheld = any(map(self.withholds, (*counts.values(), *beside)))
        return {str(value): None if withheld else count for value, count in counts.items()}
