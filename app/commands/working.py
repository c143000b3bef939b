"""`rapport worker`: background jobs, without the API."""

import uvloop

from app.commands.console import read_settings, ready_database, say
from app.commands.signals import end_quietly_on_signals, on_signals
from app.kit.logs import configure_logs
from app.kit.resources import DatabaseAddress
from app.settings import Settings
from app.worker import Worker


def work() -> None:
    """Runs background jobs until a signal comes."""
    end_quietly_on_signals()
    settings = read_settings()
    configure_logs(settings.log_format, settings.log_level)
    with ready_database(settings) as address:
        uvloop.run(_work(settings, address))


async def _work(settings: Settings, address: DatabaseAddress) -> None:
    worker = Worker(settings, address)
    with on_signals(worker.stop):
        say("Rapport works on background jobs")
        await worker.run()
