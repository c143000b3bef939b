import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.kit.docs import ASSETS, MEDIA_TYPES
from tests.kit.guarded_apps import build_app, calling

HTML = {"Accept": "text/html,*/*"}


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.found += [value for name in ("src", "href") if (value := attributes.get(name))]
        if tag == "style" or (tag == "script" and "src" not in attributes):
            self.inline.append(tag)


async def test_the_docs_page_needs_nothing_from_elsewhere() -> None:
    async with calling(build_app()) as client:
        page = await client.get("/docs")
        links = _Links()
        links.feed(page.text)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert '<meta charset="utf-8">' in page.text
        assert not links.inline
        assert all(link.startswith("/") for link in links.found)
        for link in links.found:
            if link.startswith("/docs/assets/"):
                assert (await client.get(link)).status_code == 200


async def test_the_docs_page_may_only_talk_to_this_server() -> None:
    async with calling(build_app()) as client:
        policy = (await client.get("/docs")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "http" not in policy


@pytest.mark.parametrize("name", MEDIA_TYPES)
async def test_each_asset_is_served_with_its_type(name: str) -> None:
    async with calling(build_app()) as client:
        answer = await client.get(f"/docs/assets/{name}")
    assert answer.content == (ASSETS / name).read_bytes()
    assert answer.headers["content-type"] == MEDIA_TYPES[name]
    assert answer.headers["cache-control"] == "public, max-age=86400"


@pytest.mark.parametrize("name", ["swagger-ui.NOTICE", "nothing.js", "..%2fdocs.py", "%2e%2e/docs.py"])
async def test_nothing_else_is_served(name: str) -> None:
    async with calling(build_app()) as client:
        assert (await client.get(f"/docs/assets/{name}")).status_code == 404


def test_the_licences_are_shipped_with_the_assets() -> None:
    assert "Apache License" in (ASSETS / "swagger-ui.LICENSE").read_text()
    assert "SmartBear" in (ASSETS / "swagger-ui.NOTICE").read_text()


def test_no_asset_asks_for_a_source_map() -> None:
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert "sourceMappingURL=" not in Path(ASSETS / name).read_text()


async def test_the_problem_that_an_answer_names_has_a_page() -> None:
    async with calling(build_app()) as client:
        problem = (await client.get("/nowhere")).json()
        page = await client.get(problem["type"], headers=HTML)
        data = await client.get(problem["type"])
    assert "<h1>Not found</h1>" in page.text
    assert data.json() == {
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "explanation": "There is no such thing in this workspace.",
    }


async def test_the_list_of_problems_leads_to_each() -> None:
    async with calling(build_app()) as client:
        page = await client.get("/problems", headers=HTML)
        data = (await client.get("/problems")).json()["items"]
        slugs = re.findall(r'href="problems/([a-z-]+)"', page.text)
        assert [f"/problems/{slug}" for slug in slugs] == [row["type"] for row in data]
        for slug in slugs:
            assert (await client.get(f"/problems/{slug}")).status_code == 200


async def test_an_unknown_problem_is_a_404() -> None:
    async with calling(build_app()) as client:
        assert (await client.get("/problems/no-such-thing")).status_code == 404
