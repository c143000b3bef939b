"""The pages people read: the API's documentation and the list of problems, both without the internet."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from app.kit.errors import NotFound
from app.kit.web import ProblemType, problem_types

ASSETS = Path(__file__).with_name("assets")
MEDIA_TYPES = {
    "docs.js": "text/javascript; charset=utf-8",
    "favicon.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
# Swagger UI sets styles from its script; nothing may come from, or go to, anywhere but this server.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{head}
</head>
<body>
{body}
</body>
</html>
"""
_DOCS_HEAD = """\
<link rel="icon" type="image/png" href="{root}/docs/assets/favicon.png">
<link rel="stylesheet" href="{root}/docs/assets/swagger-ui.css">
<script src="{root}/docs/assets/swagger-ui-bundle.js" charset="utf-8"></script>
<script src="{root}/docs/assets/docs.js" charset="utf-8"></script>"""
_DOCS_BODY = """\
<div id="docs" data-openapi="{root}{openapi}"></div>
<noscript>This page needs JavaScript; the same is in <a href="{root}{openapi}">{openapi}</a>.</noscript>"""


def install_docs(app: FastAPI, *, openapi_url: str = "/openapi.json") -> None:
    """Adds `/docs` with its assets, and `/problems`. The document at `openapi_url` is somebody else's."""

    async def docs(request: Request) -> Response:
        root = escape(request.scope.get("root_path", ""))
        return _page(
            f"{app.title}: API documentation",
            _DOCS_BODY.format(root=root, openapi=escape(openapi_url)),
            head=_DOCS_HEAD.format(root=root),
        )

    app.add_api_route("/docs", docs, include_in_schema=False)
    app.add_api_route("/docs/assets/{name}", _asset, include_in_schema=False)
    app.add_api_route("/problems", _problems, include_in_schema=False)
    app.add_api_route("/problems/{slug}", _problem, include_in_schema=False)


async def _asset(name: str) -> Response:
    if name not in MEDIA_TYPES:
        raise NotFound("There is no such file.")
    headers = {"Cache-Control": "public, max-age=86400"}
    return FileResponse(ASSETS / name, media_type=MEDIA_TYPES[name], headers=headers)


async def _problems(request: Request) -> Response:
    types = problem_types().values()
    if not _wants_html(request):
        return JSONResponse({"items": [_as_dict(kind) for kind in types]}, headers={"Vary": "Accept"})
    return _page("Problems", f"<h1>Problems</h1>\n<dl>\n{_rows(types)}\n</dl>")


async def _problem(slug: str, request: Request) -> Response:
    kind = problem_types().get(slug)
    if kind is None:
        raise NotFound("There is no such problem.")
    if not _wants_html(request):
        return JSONResponse(_as_dict(kind), headers={"Vary": "Accept"})
    text = f"<p>Status {kind.status}. {escape(kind.explanation)}</p>"
    return _page(
        kind.title, f'<h1>{escape(kind.title)}</h1>\n{text}\n<p><a href="../problems">All problems</a></p>'
    )


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _as_dict(kind: ProblemType) -> dict[str, str | int]:
    return {
        "type": f"/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "explanation": kind.explanation,
    }


def _rows(kinds: Iterable[ProblemType]) -> str:
    return "\n".join(
        f'<dt id="{kind.slug}"><a href="problems/{kind.slug}">{escape(kind.title)}</a> ({kind.status})</dt>'
        f"<dd>{escape(kind.explanation)}</dd>"
        for kind in kinds
    )


def _page(title: str, body: str, head: str = "") -> HTMLResponse:
    return HTMLResponse(
        _PAGE.format(title=escape(title), head=head, body=body),
        headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Vary": "Accept"},
    )
