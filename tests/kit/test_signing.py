import base64
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.kit.signing import MOST_SIGNATURES, SignatureError, new_secret, parse_secret, sign, verify

# The worked example of the specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT_AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": MESSAGE_ID,
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER_SECRET = "whsec_" + base64.b64encode(b"x" * 64).decode()

bodies = st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)
ids = st.text(st.sampled_from("abcXYZ019_-"), min_size=1, max_size=40)
anything = st.text(st.characters(codec=None))
hostile_signatures = st.lists(
    st.sampled_from(["v1", "v1,", ",", "", "v1,a", "v1,a,b", "v1a,AAAA", "v2,\u00e9", "\ud800", "\0"])
    | anything
).map(" ".join)


def reason_for(headers: dict[str, str], body: bytes = BODY, now: datetime = SENT_AT) -> str:
    with pytest.raises(SignatureError) as refusal:
        verify([SECRET], headers, body, now=now)
    return refusal.value.reason


def test_signing_gives_the_headers_of_the_specification() -> None:
    assert sign([SECRET], MESSAGE_ID, SENT_AT, BODY) == HEADERS


def test_verifying_gives_the_message_id_of_the_specification() -> None:
    assert verify([SECRET], HEADERS, BODY, now=SENT_AT) == MESSAGE_ID


@given(message_id=ids, body=bodies)
def test_the_reference_library_accepts_what_we_sign(message_id: str, body: bytes) -> None:
    headers = sign([SECRET], message_id, SENT_AT, body)
    with time_machine.travel(SENT_AT, tick=False):
        Webhook(SECRET).verify(body, headers, json_parse=False)


@given(message_id=ids, body=bodies)
def test_we_accept_what_the_reference_library_signs(message_id: str, body: bytes) -> None:
    signature = Webhook(SECRET).sign(message_id, SENT_AT, body.decode())
    headers = HEADERS | {"webhook-id": message_id, "webhook-signature": signature}
    assert verify([SECRET], headers, body, now=SENT_AT) == message_id


def test_a_body_need_not_be_text() -> None:
    body = bytes(range(256))
    assert verify([SECRET], sign([SECRET], "m", SENT_AT, body), body, now=SENT_AT) == "m"


def test_header_names_count_in_any_case() -> None:
    headers = {name.title(): value for name, value in HEADERS.items()}
    assert verify([SECRET], headers, BODY, now=SENT_AT) == MESSAGE_ID


def test_while_rotating_both_secrets_sign_and_either_verifies() -> None:
    headers = sign([OTHER_SECRET, SECRET], MESSAGE_ID, SENT_AT, BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for receivers in ([SECRET], [OTHER_SECRET], [new_secret(), SECRET]):
        assert verify(receivers, headers, BODY, now=SENT_AT) == MESSAGE_ID


def test_another_secret_does_not_verify() -> None:
    assert reason_for(sign([OTHER_SECRET], MESSAGE_ID, SENT_AT, BODY)) == "no_match"


def test_without_secrets_nothing_verifies() -> None:
    with pytest.raises(SignatureError, match="no signature matches"):
        verify([], HEADERS, BODY, now=SENT_AT)


@pytest.mark.parametrize("name", HEADERS)
def test_each_header_is_needed(name: str) -> None:
    assert reason_for({key: value for key, value in HEADERS.items() if key != name}) == "missing_header"
    assert reason_for(HEADERS | {name: ""}) == "missing_header"


@pytest.mark.parametrize(
    "change",
    [{"webhook-id": "msg_other"}, {"webhook-timestamp": "1614265331"}, {"webhook-signature": "v1,AAAA"}],
)
def test_a_changed_header_does_not_verify(change: dict[str, str]) -> None:
    assert reason_for(HEADERS | change) == "no_match"


def test_a_changed_body_does_not_verify() -> None:
    assert reason_for(HEADERS, BODY + b" ") == "no_match"


@pytest.mark.parametrize("message_id", ["a.b", "a b", "\u00e9", "x\0", "x\n", "i" * 257])
def test_an_id_that_could_be_read_two_ways_is_refused(message_id: str) -> None:
    assert reason_for(HEADERS | {"webhook-id": message_id}) == "missing_header"
    with pytest.raises(ValueError, match="message id"):
        sign([SECRET], message_id, SENT_AT, BODY)


def test_moving_the_dots_does_not_give_another_valid_message() -> None:
    headers = sign([SECRET], "msg", SENT_AT, b"1614265331.body")
    shifted = headers | {"webhook-id": "msg.1614265330", "webhook-timestamp": "1614265331"}
    assert reason_for(shifted, b"body") == "missing_header"


@pytest.mark.parametrize(
    "timestamp",
    [
        *["1614265330.0", "1.6e9", "-1614265330", "+1614265330", " 1614265330", "1614265330\n"],
        *["1_614_265_330", "nan", "inf", "0x60380000", "9" * 13, "9" * 400, "\u00b9"],
        "\u0661\u0666\u0661\u0664\u0662\u0666\u0665\u0663\u0663\u0660",
    ],
)
def test_a_timestamp_is_plain_seconds(timestamp: str) -> None:
    assert reason_for(HEADERS | {"webhook-timestamp": timestamp}) == "bad_timestamp"


@pytest.mark.parametrize("minutes", [-5, 5])
def test_five_minutes_off_is_still_accepted(minutes: int) -> None:
    assert verify([SECRET], HEADERS, BODY, now=SENT_AT + timedelta(minutes=minutes)) == MESSAGE_ID


def test_more_than_five_minutes_off_is_refused() -> None:
    bit_more = timedelta(minutes=5, microseconds=1)
    assert reason_for(HEADERS, now=SENT_AT + bit_more) == "too_old"
    assert reason_for(HEADERS, now=SENT_AT - bit_more) == "too_new"


def test_the_tolerance_can_be_chosen() -> None:
    with pytest.raises(SignatureError, match="past"):
        verify([SECRET], HEADERS, BODY, now=SENT_AT + timedelta(seconds=2), tolerance=timedelta(seconds=1))


@pytest.mark.parametrize(
    "malformed", ["v1", "v1,", "v1,a", "v1,a,b", "v1a,AAAA", "", "\u00e9", "\ud800", "\0"]
)
def test_a_malformed_signature_does_not_hide_a_valid_one(malformed: str) -> None:
    valid = HEADERS["webhook-signature"]
    for signatures in (f"{malformed} {valid}", f"{valid} {malformed}"):
        assert verify([SECRET], HEADERS | {"webhook-signature": signatures}, BODY, now=SENT_AT) == MESSAGE_ID


def test_only_so_many_signatures_are_looked_at() -> None:
    valid = HEADERS["webhook-signature"]
    last_seen = " ".join(["v1,AAAA"] * (MOST_SIGNATURES - 1) + [valid])
    assert verify([SECRET], HEADERS | {"webhook-signature": last_seen}, BODY, now=SENT_AT) == MESSAGE_ID
    assert reason_for(HEADERS | {"webhook-signature": f"v1,AAAA {last_seen}"}) == "no_match"


@given(
    headers=st.dictionaries(
        st.sampled_from([*HEADERS, "Webhook-Id"]) | anything, anything | hostile_signatures
    ),
    body=st.binary(),
)
def test_hostile_headers_and_bodies_end_in_our_error_only(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify([SECRET], headers, body, now=SENT_AT)


@given(signatures=hostile_signatures, body=st.binary())
def test_hostile_signatures_on_fresh_messages_end_in_our_error_only(signatures: str, body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify([SECRET], HEADERS | {"webhook-signature": signatures}, body, now=SENT_AT)


def test_the_error_shows_neither_secret_nor_input() -> None:
    with pytest.raises(SignatureError) as refusal:
        verify([SECRET], HEADERS | {"webhook-signature": "v1,whisper"}, BODY, now=SENT_AT)
    assert "whisper" not in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_new_secrets_are_different_and_hold_32_bytes() -> None:
    assert len(parse_secret(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize("length", [24, 64])
def test_secrets_of_24_to_64_bytes_are_accepted(length: int) -> None:
    key = bytes(range(length))
    assert parse_secret("whsec_" + base64.b64encode(key).decode()) == key


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_!!!!",
        SECRET.removeprefix("whsec_"),
        SECRET.upper(),
        SECRET + "\n",
        SECRET[:-1],
        "whsec_\u00e9",
    ]
    + ["whsec_" + base64.b64encode(b"k" * length).decode() for length in (1, 23, 65)],
)
def test_other_secrets_are_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(
        ValueError, match=r"^a signing secret is whsec_ followed by the base64 of 24 to 64 bytes$"
    ):
        parse_secret(secret)


def test_signing_needs_a_secret_and_a_time_zone() -> None:
    with pytest.raises(ValueError, match="secret"):
        sign([], MESSAGE_ID, SENT_AT, BODY)
    with pytest.raises(ValueError, match="zone"):
        sign([SECRET], MESSAGE_ID, SENT_AT.replace(tzinfo=None), BODY)
