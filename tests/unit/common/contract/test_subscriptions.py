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


def test_unsubscribe() -> None:
    assert parse('{"type":"unsubscribe","jobs":["A","b"]}') == Unsubscribe(("a", "b"))


@pytest.mark.parametrize("text", ["", "{", "7", '"subscribe"', '{"type":"subscribe","jobs":{"a":{}}}', "[" * 2000])
def test_anything_else(text: str) -> None:
    assert parse(text) is None


def test_a_cursor_is_written_as_it_is_read() -> None:
    assert str(Cursor("0000000a", 7)) == "0000000a-7"
    assert Cursor.parse("0000000a-7") == Cursor("0000000a", 7)


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
