"""What an anonymous survey does not publish, so that nobody can be found by counting."""

from collections.abc import Mapping

from app.surveys.service.scoring import Tally, band
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

    def hidden_bands(self, tally: Tally) -> set[str]:
        """The bands whose counts stay hidden."""
        counts: dict[Cell, int] = {}
        for value, count in tally.distribution.items():
            cell = (band(tally.type, value),)
            counts[cell] = counts.get(cell, 0) + count
        return {cell[0] for cell in self.hidden(counts)}

    def distribution(self, tally: Tally) -> dict[str, int | None]:
        """The counts of each value. A hidden band's values are all hidden; of a shown band's, as many as
        keep its small ones from being worked out."""
        hidden_bands = self.hidden_bands(tally)
        bands: dict[str, dict[Cell, int]] = {}
        for value, count in tally.distribution.items():
            bands.setdefault(band(tally.type, value), {})[(value,)] = count
        hidden: set[Cell] = set()
        for name, cells in bands.items():
            hidden |= set(cells) if name in hidden_bands else self.hidden(cells)
        counts = tally.distribution.items()
        return {str(value): None if (value,) in hidden else count for value, count in counts}
