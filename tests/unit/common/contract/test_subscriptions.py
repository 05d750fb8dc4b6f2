import json

import pytest

from support.tree import DOCS
from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.subscriptions import (
    Subscribe,
    SubscriptionError,
    Unsubscribe,
    parse,
    unsubscribed_message,
)

PROTOCOL = (DOCS / "protocol.md").read_text()


def test_a_cursor_for_each_job() -> None:
    text = '{"type":"subscribe","jobs":{"A":"0000000a-7","b":null,"c":"no cursor"},"more":1}'
    assert parse(text) == Subscribe({"a": Cursor("0000000a", 7), "b": None, "c": None})


def test_a_ticket_for_each_job() -> None:
    text = '{"type":"subscribe","jobs":{"A":null,"b":null},"tickets":{"A":"1.x","b":null,"c":"","d":"2.y"}}'
    assert parse(text) == Subscribe({"a": None, "b": None}, {"a": "1.x", "d": "2.y"})
    assert parse('{"type":"subscribe","jobs":{"a":null},"tickets":null}') == Subscribe({"a": None})


def test_unsubscribe() -> None:
    assert parse('{"type":"unsubscribe","jobs":["A","b"]}') == Unsubscribe(("a", "b"))


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "[]", "null", '"subscribe"', '{"type":"subscribe"}', '{"type":"subscribe","jobs":["x"]}',
     '{"type":"subscribe","jobs":{"a":{}}}', '{"type":"subscribe","jobs":{"x":1}}', '{"type":"other","jobs":{}}',
     '{"type":"subscribe","jobs":{},"tickets":["x"]}',
     '{"type":"subscribe","jobs":{},"tickets":{"x":7}}', '{"type":"subscribe","jobs":{},"tickets":"x"}',
     '{"type":"unsubscribe","jobs":{"x":null}}', '{"type":"unsubscribe","jobs":[1]}', "[" * 2000],
)  # fmt: skip
def test_anything_else(text: str) -> None:
    assert parse(text) is None


def test_what_is_said_back() -> None:
    assert json.loads(unsubscribed_message("a")) == {"type": "unsubscribed", "job_id": "a"}
    for code in SubscriptionError:
        said = json.loads(code.to_message("a"))
        assert said == {"type": "error", "job_id": "a", "code": code, "message": code.sentence}


def test_every_code_is_documented() -> None:
    for close in CloseCode:
        assert f"| {close.value} |" in PROTOCOL
    for code in SubscriptionError:
        assert f"| `{code}` |" in PROTOCOL
