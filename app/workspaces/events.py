"""What the workspaces room publishes."""

from app.kit.outbox import EventType
from app.workspaces.schemas import WorkspaceSettingsChanged

SETTINGS_CHANGED = EventType(
    "workspace.settings_changed",
    WorkspaceSettingsChanged,
    "A setting of the workspace changed. Time zone and churn days move every metric, which is rebuilt.",
)

ALL = (SETTINGS_CHANGED,)
