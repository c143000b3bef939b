"""Brings the embedded PostgreSQL back when it dies: on a machine of its own nobody else would."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app.kit.embedded import EmbeddedError, EmbeddedServer

LOOK_SECONDS = 0.5

log = structlog.get_logger()


@contextmanager
def kept_up(server: EmbeddedServer) -> Iterator[None]:
    """Starts the server again whenever it is found dead, for as long as the block runs.

    In a thread, because starting blocks, for as long as PostgreSQL takes to recover. Several processes may
    keep one server: they start it one after the other, and the second finds it running.
    """
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(server, done), name="embedded-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _keep(server: EmbeddedServer, done: threading.Event) -> None:
    while not done.wait(LOOK_SECONDS):
        if server.has_died():
            _bring_back(server)


def _bring_back(server: EmbeddedServer) -> None:
    log.warning("embedded.died")
    try:
        server.start()
    except (EmbeddedError, OSError) as error:
        log.error("embedded.not_back", reason=str(error))
    else:
        log.warning("embedded.back")
