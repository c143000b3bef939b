"""The one list of routers."""

from app.contacts.router import router as contacts
from app.touchpoints.router import router as touchpoints
from app.workspaces.router import router as workspaces

ROUTERS = (workspaces, contacts, touchpoints)
