"""What a process that stays does about SIGINT and SIGTERM."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_quietly_on_signals() -> None:
    """Until there is something to finish, a signal ends the process at once, and with it what it holds."""
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))


@contextlib.contextmanager
def on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, a signal calls `stop`."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            # What is left is tidying up, which another signal should not cut short.
            signal.signal(number, signal.SIG_IGN)
