"""Whatever a signed partner or a stranger sends, it is never our fault."""

from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.intake.sending import BATCH, STRUCTURED, Partner, person, purchase

pytestmark = pytest.mark.slow

ATTRIBUTES = (
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "data",
    "extension",
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=8
)
envelopes = st.builds(
    lambda base, changes, data: base | changes | {"data": data},
    st.sampled_from([purchase(), person()]),
    st.dictionaries(st.sampled_from(ATTRIBUTES), trees),
    trees | st.builds(lambda more: purchase()["data"] | more, st.dictionaries(
        st.sampled_from(["contact", "contact_id", "kind", "value", "attributes", "external_id"]),
        trees,
    )),
)  # fmt: skip
unless_slow = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _sendable(value: str) -> bool:
    return not value[:1].isspace() and not value[-1:].isspace()


header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).filter(_sendable)


@unless_slow
@given(events=st.lists(envelopes | trees, max_size=3), is_batch=st.booleans())
async def test_no_envelope_is_a_server_error(partner: Partner, events: list[Any], is_batch: bool):
    body: Any = events if is_batch else (events or [None])[0]
    answer = await partner.post(orjson.dumps(body), BATCH if is_batch else STRUCTURED)
    assert answer.status_code in (202, 400, 422)


@unless_slow
@given(
    headers=st.dictionaries(
        st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-x", "ce-data"]),
        header_values | st.binary(max_size=20).map(lambda raw: "".join(f"%{byte:02X}" for byte in raw)),
    ),
    body=trees,
)
async def test_no_header_is_a_server_error(partner: Partner, headers: dict[str, str], body: Any):
    answer = await partner.post(orjson.dumps(body), "application/json", headers)
    assert answer.status_code in (202, 400, 415, 422)


@unless_slow
@given(
    signature=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), header_values
    ),
    content_type=st.sampled_from([STRUCTURED, BATCH, "application/json", "text/plain"]),
    body=st.binary(max_size=50),
)
async def test_a_stranger_is_refused(
    partner: Partner, signature: dict[str, str], content_type: str, body: bytes
):
    answer = await partner.client.post(
        f"/v1/sources/{partner.id}/events", content=body, headers=signature | {"content-type": content_type}
    )
    assert answer.status_code in (400, 401)


@pytest.mark.parametrize("number", [2**70, -(2**65), 10**38])
async def test_numbers_of_any_size_are_kept(partner: Partner, number: int):
    body = orjson.dumps(purchase(type="x", data={"n": "N"})).replace(b'"N"', str(number).encode())
    assert (await partner.post(body, STRUCTURED)).status_code == 202


@pytest.mark.parametrize("source_id", ["01890000-0000-7000-8000-000000000000", "nonsense", "%00"])
async def test_a_path_that_is_no_source_is_a_4xx(stranger: httpx.AsyncClient, source_id: str):
    answer = await stranger.post(f"/v1/sources/{source_id}/events", json={})
    assert answer.status_code in (400, 404, 422)
