"""What the metrics room publishes."""

from app.kit.outbox import EventType
from app.metrics.schemas import MetricSnapshotsRefreshed

SNAPSHOT_REFRESHED = EventType(
    "metric.snapshot_refreshed",
    MetricSnapshotsRefreshed,
    "Snapshots of a metric are new or have moved: one event per metric and fold.",
)

ALL = (SNAPSHOT_REFRESHED,)
