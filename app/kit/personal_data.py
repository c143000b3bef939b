"""The registry of personal data: every table says whether it holds any, and how it is treated.

A table declares it in its `info`: `{"personal_data": PersonalData(...)}`, or None when it holds none. A test
fails for a table that says nothing.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PersonalData:
    """How a table's rows about one contact are treated.

    `subject` is the column with the contact's id, or in a table that knows no contact the one with their
    address. On merge rows `move` to the survivor, are `fold`ed into its row, or are `keep`t as history; on
    export they are listed (`rows`) or left out because another table says the same (`skip`); on erase they
    are deleted, or their payload is redacted, or they expire by themselves within 24 hours, or they are
    `keep`t: a list of those who must not be written to has to outlive what it protects from, for with the
    next import an erased person would be a stranger who may be asked again.
    """

    subject: str
    on_merge: Literal["move", "fold", "keep"]
    on_export: Literal["rows", "skip"]
    on_erase: Literal["delete", "redact", "expire", "keep"]


def personal(
    subject: str,
    *,
    on_merge: Literal["move", "fold", "keep"],
    on_export: Literal["rows", "skip"],
    on_erase: Literal["delete", "redact", "expire", "keep"],
) -> dict[str, PersonalData]:
    """The `info` of a table with personal data."""
    return {"personal_data": PersonalData(subject, on_merge, on_export, on_erase)}


NOT_PERSONAL: dict[str, None] = {"personal_data": None}
"""The `info` of a table without personal data of contacts."""
