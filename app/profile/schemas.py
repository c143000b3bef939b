"""Shapes of what spans rooms about one person."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.kit.schemas import Output, Page
from app.touchpoints.schemas import Touchpoint


class TouchpointEntry(Output):
    """A touchpoint on a timeline."""

    type: Literal["touchpoint"] = Field(
        description="What the entry is; further types may come, so expect others."
    )
    at: datetime = Field(description="When it happened.")
    id: UUID = Field(description="The id of what the entry shows.")
    touchpoint: Touchpoint = Field(description="The touchpoint itself.")


TimelineEntry = TouchpointEntry
"""Every type of entry, told apart by `type`."""

EntryType = Literal["touchpoint"]


class TimelinePage(Page[TimelineEntry]):
    """One page of a contact's timeline."""
