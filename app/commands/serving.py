"""`rapport serve`: the API, and the background jobs beside it."""

import contextlib
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI

from app.commands.console import Failure, is_embedded, read_settings, ready_database, say
from app.commands.signals import end_quietly_on_signals, on_signals
from app.commands.tenants import NewTenant, create_first_workspace
from app.kit.logs import configure_logs
from app.kit.resources import DatabaseAddress, open_resources
from app.main import begin_stop, create_app
from app.settings import Settings
from app.workspaces.schemas import WorkspaceCreate

FIRST_WORKSPACE = "My workspace"
BACKLOG = 2048


def serve(*, with_worker: bool) -> None:
    """Serves the API until a signal comes. Raises what `console.EXPECTED` holds when it cannot start."""
    end_quietly_on_signals()
    settings = read_settings()
    configure_logs(settings.log_format, settings.log_level)
    with listening(settings.host, settings.port) as listener, ready_database(settings) as address:
        if is_embedded(settings):
            uvloop.run(_welcome(settings, address, _url(listener)))
        app = create_app(open_resources(settings, address), with_worker=with_worker)
        Server(app, settings).run([listener])


class Server(uvicorn.Server):
    """Uvicorn's server, which turns readiness off first on a signal, and does not die of it in the end."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(_uvicorn_config(app, settings))
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            url = _url(sockets[0])
            say(f"Rapport listens on {url} and explains itself on {url}/docs")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with on_signals(self._stop):
            yield

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        begin_stop(self._app)


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens already, so that a port that is taken shows before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Failure(
            f"Cannot listen on {host}:{port} ({_reason(error)}): "
            "stop what does, or set RAPPORT_PORT or RAPPORT_HOST."
        ) from None
    with listener:
        yield listener


def _reason(error: OSError) -> str:
    """Of `gaierror` the text, of the others the name of their number: Python adds the address to the text."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return str(error.strerror)
    return os.strerror(error.errno)


async def _welcome(settings: Settings, address: DatabaseAddress, url: str) -> None:
    """Makes the first workspace of an embedded server, and shows its key this once."""
    resources = open_resources(settings, address)
    try:
        made = await create_first_workspace(resources, WorkspaceCreate(name=FIRST_WORKSPACE))
    finally:
        await resources.close()
    if made is not None:
        say(_first_steps(made, url))


def _first_steps(made: NewTenant, url: str) -> str:
    return f"""\
Made the workspace "{FIRST_WORKSPACE}" and a key to it, which is shown this once:

  workspace  {made.workspace_id}
  API key    {made.api_key}

  curl -H 'Authorization: Bearer {made.api_key}' {url}/v1/workspace
"""


def _uvicorn_config(app: Any, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
