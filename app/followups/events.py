"""What the follow-ups room publishes: one event for each change."""

from app.followups.schemas import FollowupChanged
from app.kit.outbox import EventType

OPENED = EventType("followup.opened", FollowupChanged, "A follow-up on a contact was opened.")
UPDATED = EventType(
    "followup.updated", FollowupChanged, "A follow-up changed, or its contact was got in touch with."
)
CLOSED = EventType("followup.closed", FollowupChanged, "A follow-up was done or cancelled.")
REOPENED = EventType("followup.reopened", FollowupChanged, "A closed follow-up was taken up again.")
OVERDUE = EventType(
    "followup.overdue", FollowupChanged, "A due time passed while the follow-up was open; told once for each."
)

ALL = (OPENED, UPDATED, CLOSED, REOPENED, OVERDUE)
