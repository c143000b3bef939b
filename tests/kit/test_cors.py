"""What a page of an allowed origin may send and read."""

from dataclasses import replace

import httpx
import pytest

from app.kit.resources import Resources
from app.main import create_app

ORIGIN = "https://screens.example"


@pytest.mark.parametrize(
    "header", ["Authorization", "Idempotency-Key", "If-Match", "Last-Event-ID", "X-Request-Id"]
)
async def test_a_page_of_an_allowed_origin_may_send_our_headers(resources: Resources, header: str) -> None:
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": header,
    }

    answer = await _asking(resources).options("/v1/events", headers=preflight)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert header in answer.headers["access-control-allow-headers"]


async def test_a_page_of_another_origin_is_told_nothing(resources: Resources) -> None:
    answer = await _asking(resources).get("/healthz", headers={"Origin": "https://elsewhere.example"})

    assert "access-control-allow-origin" not in answer.headers


def _asking(resources: Resources) -> httpx.AsyncClient:
    settings = resources.settings.model_copy(update={"cors_origins": [ORIGIN]})
    transport = httpx.ASGITransport(create_app(replace(resources, settings=settings)))
    return httpx.AsyncClient(transport=transport, base_url="http://rapport.test")
