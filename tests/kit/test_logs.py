"""What stands in the log, and what never does."""

import asyncpg
import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import IntegrityError

from app.kit.logs import describe_exception, hide_secrets


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Bearer rpt_abcdefgh1234", "Bearer …"),
        ("the key rpt_abcdefgh1234 is new", "the key rpt_… is new"),
        ("whsec_c2VjcmV0c2VjcmV0", "whsec_…"),
        ("postgresql+asyncpg://me:geheim@host/db", "postgresql+asyncpg://…@host/db"),
        ("/v1/contacts/{contact_id}", "/v1/contacts/{contact_id}"),
    ],
)
def test_secrets_are_hidden_wherever_they_stand(said: str, shown: str) -> None:
    assert hide_secrets(None, "info", {"event": said})["event"] == shown


def test_a_refused_value_does_not_get_into_the_log() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(int).validate_python("ada@example.com")
    record = describe_exception(None, "error", {"event": "x", "exc_info": refused.value})
    assert "ValidationError" in record["exception"]
    assert "ada@" not in record["exception"]


def test_a_database_error_is_told_by_its_code() -> None:
    cause = asyncpg.UniqueViolationError("Key (email)=(ada@example.com) already exists.")
    wrapped = IntegrityError("INSERT", {"email": "ada@example.com"}, cause)
    record = describe_exception(None, "error", {"event": "x", "exc_info": wrapped})
    assert record["exception"] == "IntegrityError (SQLSTATE 23505)"


def test_other_errors_keep_their_message_and_their_cause() -> None:
    error = RuntimeError("the relay stopped")
    error.__cause__ = KeyError("position")
    record = describe_exception(None, "error", {"event": "x", "exc_info": error})
    assert record["exception"].splitlines() == ["KeyError: 'position'", "RuntimeError: the relay stopped"]
