"""What the command line does, one module a command; `app.cli` puts them together.

A module is read when its command is run: `rapport --help` should not have to read the whole API first.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.commands import console as console
    from app.commands import contract as contract
    from app.commands import database as database
    from app.commands import demo as demo
    from app.commands import doctor as doctor
    from app.commands import importing as importing
    from app.commands import serving as serving
    from app.commands import tenant_output as tenant_output
    from app.commands import working as working


def __getattr__(name: str) -> Any:
    module = f"{__name__}.{name}"
    if find_spec(module) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(module)
