"""Taking turns at what has no row to lock."""

from app.kit.database import Unit


async def take_turn(unit: Unit, name: str) -> None:
    """Waits for whoever has this name in the unit's workspace, and has it until the unit ends."""
    await unit.connection.execute(_TAKE, f"{unit.workspace_id}/{name}")


_TAKE = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
