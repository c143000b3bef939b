import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.strict_json import MalformedJson, read_json

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
) | st.sampled_from([":", '":', '\\"', "\\", "\\\\u0000", "\\u003a", "[{", "]}", "NaN"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
TREES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=25,
)


@given(TREES, st.booleans(), st.sampled_from([None, 1]))
def test_sound_json_reads_as_it_was_written(tree: Any, ascii_only: bool, indent: int | None) -> None:
    assert read_json(json.dumps(tree, ensure_ascii=ascii_only, indent=indent).encode()) == tree


class _Twins(dict[str, Any]):
    """Writes its first member twice."""

    def items(self) -> Any:
        members = list(super().items())
        return [*members, members[0]]


@pytest.mark.slow
@given(TREES, st.dictionaries(TEXT, TREES, min_size=1, max_size=3), st.booleans())
def test_a_repeated_key_is_found_wherever_it_hides(
    tree: Any, twins: dict[str, Any], ascii_only: bool
) -> None:
    document = [{"before": tree, "twins": [_Twins(twins)]}, tree]
    with pytest.raises(MalformedJson) as refused:
        read_json(json.dumps(document, ensure_ascii=ascii_only).encode())
    assert refused.value.errors[0].code == "duplicate_key"
    assert refused.value.errors[0].pointer == "/0/twins/0"


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        assert read_json(body) == json.loads(body)


def test_changed_bytes_are_json_or_refused() -> None:
    seed = random.Random(7)
    sound = json.dumps({"a": [1, 2.5, {"b": '\\ " é \u2028'}], "c": "x" * 30, "d": {"e": None}}).encode()
    for _ in range(3000):
        body = bytearray(sound)
        for _ in range(seed.randint(1, 3)):
            body[seed.randrange(len(body))] = seed.choice(b'{}[]:,"\\u0 1e9-.\x00\xff')
        with contextlib.suppress(MalformedJson):
            assert read_json(bytes(body)) == json.loads(body)
