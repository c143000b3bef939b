import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from tests.kit.guarded_apps import FORM, LIMIT, browsing, build_app, calling, serving, talk

JSON = {"Content-Type": "application/json"}
PERSON = b'{"name": "Ada"}'

ANSWERS = [
    ("GET", "/v1/people", b"", {}, 200),
    ("POST", "/v1/people", PERSON, JSON, 201),
    ("GET", "/v1/people?limit=%00", b"", {}, 400),
    ("POST", "/v1/people", b"{", JSON, 400),
    ("GET", "/nowhere", b"", {}, 404),
    ("DELETE", "/v1/people/1", b"", {}, 404),
    ("PUT", "/v1/people", b"", {}, 405),
    ("POST", "/v1/people", b"x" * (LIMIT + 1), JSON, 413),
    ("GET", "/v1/people?cursor=" + "x" * 9000, b"", {}, 414),
    ("POST", "/v1/people", PERSON, {"Content-Type": "text/plain"}, 415),
    ("POST", "/v1/people", b"{}", JSON, 422),
    ("GET", "/v1/broken", b"", {}, 500),
    ("GET", "/v1/misshapen", b"", {}, 500),
    ("GET", "/docs", b"", {}, 200),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), ANSWERS)
async def test_every_answer_has_its_headers(
    method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with calling(build_app()) as client:
        answer = await client.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["request_id"] == answer.headers["x-request-id"]


async def test_a_valid_request_id_is_kept() -> None:
    async with calling(build_app()) as client:
        answer = await client.get("/v1/people", headers={"X-Request-Id": "from.partner_1-A"})
    assert answer.headers["x-request-id"] == "from.partner_1-A"


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "ünï"])
async def test_an_invalid_request_id_is_replaced(given: str) -> None:
    async with calling(build_app()) as client:
        answer = await client.get("/v1/people", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_the_request_id_does_not_outlive_its_request() -> None:
    async with calling(build_app()) as client:
        await client.get("/v1/people")
    assert "request_id" not in get_contextvars()


async def test_an_answer_keeps_the_cache_rule_it_sets() -> None:
    async with calling(build_app()) as client:
        answer = await client.get("/v1/cached")
    assert answer.headers.get_list("cache-control") == ["private, no-cache"]


async def test_headers_left_in_the_state_reach_the_answer() -> None:
    async with calling(build_app()) as client:
        answer = await client.get("/v1/people/7")
    assert answer.headers.get_list("ratelimit") == ['"default";r=1;t=1']


async def test_transport_security_is_an_option() -> None:
    async with calling(build_app(hsts_seconds=600)) as client:
        answer = await client.get("/v1/people")
    assert answer.headers["strict-transport-security"] == "max-age=600"


async def test_one_log_line_tells_who_and_what_but_nothing_personal() -> None:
    async with calling(build_app()) as client:
        with capture_logs() as lines:
            await client.get("/v1/people/7", headers={"X-Request-Id": "r1", "Authorization": "Bearer canary"})
    (line,) = lines
    duration = line.pop("duration_ms")
    assert duration >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/v1/people/{number}",
        "status": 200,
        "request_id": "r1",
        "workspace_id": "w1",
        "key_id": "k1",
    }


async def test_nothing_of_the_request_is_logged() -> None:
    async with calling(build_app()) as client:
        with capture_logs() as lines:
            await client.get("/v1/people?cursor=canary")
            await client.get("/canary")
            await client.post("/v1/people", content=b'{"name": "canary"}', headers=JSON)
            await client.post("/v1/people", content=b'{"canary": 1}', headers=JSON)
    assert len(lines) == 4
    assert "canary" not in str(lines)


async def test_metrics_count_by_route_template() -> None:
    registry = CollectorRegistry()
    async with calling(build_app(registry=registry)) as client:
        await client.get("/v1/people/7")
        await client.get("/v1/people/8")
        await client.get("/v1/people/x")
        await client.request("BREW", "/nowhere")
    count = registry.get_sample_value
    labels = {"method": "GET", "route": "/v1/people/{number}"}
    assert count("http_requests_total", labels | {"status": "2xx"}) == 2
    assert count("http_requests_total", labels | {"status": "4xx"}) == 1
    assert count("http_request_duration_seconds_count", labels | {"status": "2xx"}) == 2
    assert count("http_requests_total", {"method": "other", "route": "unmatched", "status": "4xx"}) == 1


async def test_a_fault_is_logged_and_tells_the_client_nothing() -> None:
    async with calling(build_app()) as client:
        with capture_logs() as lines:
            answer = await client.get("/v1/broken")
    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert isinstance(lines[0]["exc_info"], RuntimeError)


async def test_a_fault_in_mid_answer_cuts_the_connection() -> None:
    async with browsing(build_app()) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/v1/broken-midway")


@pytest.mark.parametrize("path", ["/v1/people", "/v1/people/7", "/nowhere", "/v1/broken", "/docs"])
async def test_head_is_get_without_the_body(path: str) -> None:
    async with browsing(build_app()) as client:
        get = await client.get(path, headers={"X-Request-Id": "same"})
        head = await client.head(path, headers={"X-Request-Id": "same"})
    assert head.status_code == get.status_code
    assert head.content == b""
    assert set(head.headers) == set(get.headers)
    assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/people/%00",
        b"/v1/people/%ff",
        b"/v1/people/%ED%A0%80",
        b"/v1/people?cursor=%00",
        b"/v1/people?cursor=%C3",
        b"/v1/people?cursor=%ED%A0%80",
        b"/v1/people?%FE=1",
    ],
)
async def test_addresses_that_are_no_text_are_refused(target: bytes) -> None:
    async with serving(build_app()) as port:
        answer = await talk(port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"/problems/malformed-request"' in answer


async def test_addresses_may_hold_any_text() -> None:
    async with calling(build_app()) as client:
        answer = await client.get("/v1/people", params={"cursor": "Zoë 🙂 50%"})
    assert answer.json()["cursor"] == "Zoë 🙂 50%"


async def test_a_body_at_the_limit_is_taken() -> None:
    body = b'{"name": "' + b"x" * (LIMIT - 12) + b'"}'
    async with calling(build_app()) as client:
        answer = await client.post("/v1/people", content=body, headers=JSON)
    assert answer.status_code == 201


@pytest.mark.slow
async def test_a_length_over_the_limit_is_refused_before_the_body_is_sent() -> None:
    head = b"POST /v1/people HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    async with serving(build_app()) as port:
        answer = await talk(port, head + b"Content-Length: 50000000\r\nExpect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer
    assert b"connection: close" in answer


async def test_a_client_that_sends_a_huge_body_anyway_still_reads_the_refusal() -> None:
    async with browsing(build_app()) as client:
        answer = await client.post("/v1/people", content=b"x" * 20_000_000, headers=JSON)
    assert answer.status_code == 413


async def _parts() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b"x" * 1000


async def test_a_chunked_body_over_the_limit_is_refused_while_it_comes() -> None:
    async with browsing(build_app()) as client:
        answer = await client.post("/v1/people", content=_parts(), headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/body-too-large"


async def test_a_streamed_body_over_the_limit_is_refused_while_it_comes() -> None:
    async with browsing(build_app()) as client:
        answer = await client.post("/v1/upload", content=_parts(), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 413


async def test_a_streamed_body_reaches_the_route_in_full() -> None:
    async with calling(build_app()) as client:
        answer = await client.post("/v1/upload", content=b"x" * LIMIT, headers={"Content-Type": "text/csv"})
    assert answer.json() == {"size": LIMIT}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "media_type"), [("people", b"application/json"), ("upload", b"text/csv")])
async def test_half_a_body_is_a_408_and_the_connection_closes(path: str, media_type: bytes) -> None:
    head = b"POST /v1/%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n" % (path.encode(), media_type)
    async with serving(build_app(seconds=0.05)) as port:
        answer = await talk(port, head + b"Content-Length: 100\r\n\r\n", b'{"name"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert b"/problems/body-timeout" in answer


async def test_a_client_that_leaves_in_mid_body_is_no_fault() -> None:
    head = b"POST /v1/people HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    gone = asyncio.Event()
    app = build_app()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        gone.set()

    with capture_logs() as lines:
        async with serving(watched) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + b"Content-Length: 100\r\n\r\n{")
            await writer.drain()
            writer.close()
            await asyncio.wait_for(gone.wait(), 5)
    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
async def test_compressed_bodies_are_not_taken(encoding: str) -> None:
    async with calling(build_app()) as client:
        answer = await client.post(
            "/v1/people", content=PERSON, headers=JSON | {"Content-Encoding": encoding}
        )
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", FORM, "application/jsonx", "text/x+json", "application/json; charset=utf-16"],
)
async def test_other_types_than_json_are_a_415(media_type: str) -> None:
    async with calling(build_app()) as client:
        answer = await client.post("/v1/people", content=PERSON, headers={"Content-Type": media_type})
    assert answer.status_code == 415
    assert answer.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "APPLICATION/JSON; Charset=UTF-8",
        "application/merge-patch+json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    ],
)
async def test_json_under_any_of_its_names_is_taken(media_type: str) -> None:
    async with calling(build_app()) as client:
        answer = await client.post("/v1/people", content=PERSON, headers={"Content-Type": media_type})
    assert answer.status_code == 201


async def test_a_post_without_a_body_needs_no_type() -> None:
    async with calling(build_app()) as client:
        answer = await client.post("/v1/echo")
    assert answer.json()["seen"] == 0


@pytest.mark.parametrize("media_type", ["application/json", FORM])
async def test_a_route_that_reads_raw_gets_the_very_bytes(media_type: str) -> None:
    body = b' {"b": 1,\t"a": "\\u00e9"}\n'
    async with calling(build_app()) as client:
        answer = await client.post("/v1/echo", content=body, headers={"Content-Type": media_type})
    assert bytes.fromhex(answer.json()["bytes"]) == body


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"", None, None),
        (b" ", "invalid_json", ""),
        (b"{", "invalid_json", ""),
        (b'{"name": "Ada",}', "invalid_json", ""),
        (b'\xef\xbb\xbf{"name": "Ada"}', "invalid_json", ""),
        ('{"name": "Ada"}'.encode("utf-16"), "invalid_json", ""),
        (b'{"name": "\xff"}', "invalid_json", ""),
        (b'{"name": "\xed\xa0\x80"}', "invalid_json", ""),
        (b'{"name": "\\ud800"}', "invalid_json", ""),
        (b'{"name": "\\udc00x"}', "invalid_json", ""),
        (b'{"age": NaN}', "invalid_json", ""),
        (b'{"age": -Infinity}', "invalid_json", ""),
        (b'{"age": 1e999}', "invalid_json", ""),
        (b'{"age": 01}', "invalid_json", ""),
        (b'{"name": "\x00"}', "invalid_json", ""),
        (b'{"name": "Ada"} x', "invalid_json", ""),
        (b'{"name": "a\\u0000"}', "nul_character", "/name"),
        (b'{"n": {"a\\u0000": 1}}', "nul_character", "/n"),
        (b'{"name": "a", "name": "b"}', "duplicate_key", ""),
        (b'{"emails": [{}, {"a": 1, "\\u0061": 1}]}', "duplicate_key", "/emails/1"),
        (b'{"a": 1, "a": 2, "b": "\\u003a"}', "duplicate_key", ""),
        (b'{"a/b~": {"a": ":", "a": 2}}', "duplicate_key", "/a~1b~0"),
        (b"[" * 33 + b"]" * 33, "too_deep", ""),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "too_deep", ""),
        (b'{"age": ' + b"9" * 41 + b"}", "too_many_digits", ""),
        (b'{"age": 0.' + b"1" * 41 + b"}", "too_many_digits", ""),
    ],
)
async def test_json_must_have_one_meaning(body: bytes, code: str | None, pointer: str | None) -> None:
    async with calling(build_app()) as client:
        answer = await client.post("/v1/people", content=body, headers=JSON)
    if code is None:
        assert answer.status_code == 422
        return
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["type"] == "/problems/malformed-json"
    assert [(error["code"], error["pointer"]) for error in problem["errors"]] == [(code, pointer)]


@pytest.mark.parametrize(
    "tree",
    [
        {"text": 'a "quoted" \\ text: [[[{{{ \\u0000 \\u003a NaN'},
        {"text": "\\" * 50 + "u0000"},
        {"text": "1" * 500},
        {"text": "[" * 5000 + ":" * 5000 + "," * 20_000},
        {"n": 9007199254740993, "m": -(2**63), "big": 12345678901234567890123, "f": 0.1},
        [[[]]] * 5000,
        {"a": {"a": {"a": ["a", {"a": 1}]}}},
        {f"k{n}": n for n in range(1000)},
        "[" * 32,
        ["é🙂"],
    ],
)
async def test_odd_but_sound_json_is_taken(tree: object) -> None:
    body = json.dumps(tree).encode()
    async with calling(build_app(limit=1_000_000)) as client:
        answer = await client.post("/v1/echo", content=body, headers=JSON)
    assert answer.status_code == 200


def _mb(part: bytes, start: bytes = b"[", end: bytes = b"]") -> bytes:
    return start + b",".join([part] * (900_000 // (len(part) + 1))) + end


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 1_000_000, "too_many_values"),
        (b"[" * 100_000 + b"]" * 100_000, "invalid_json"),
        (_mb(b"[[]]"), "too_many_values"),
        (_mb(b"1"), "too_many_values"),
        (_mb(b"1.5e3"), "too_many_elements"),
        (b"{" + b",".join(b'"k%d":1' % n for n in range(80_000)) + b"}", "too_many_members"),
        (_mb(b"1" * 300), "too_many_digits"),
        (_mb(b'{"a":1,"a":1,' + b'"b":"' + b"x" * 200 + b'"}'), "duplicate_key"),
        (_mb(b'"\\u0000' + b"x" * 200 + b'"'), "nul_character"),
    ],
)
async def test_a_hostile_megabyte_is_refused_with_a_short_answer(body: bytes, code: str) -> None:
    async with calling(build_app(limit=1 << 20)) as client:
        answer = await client.post("/v1/people", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == code
    assert len(answer.content) < 1000


async def test_a_body_is_parsed_to_exact_integers() -> None:
    async with calling(build_app()) as client:
        answer = await client.post(
            "/v1/people", content=b'{"name": "x", "age": 18446744073709551617}', headers=JSON
        )
    assert answer.json()["age"] == 18446744073709551617


async def test_a_refusal_does_not_show_the_input() -> None:
    async with calling(build_app()) as client:
        answer = await client.post("/v1/people", content=b'{"name": "canary" canary}', headers=JSON)
    assert answer.status_code == 400
    assert "canary" not in answer.text
