import pytest

from vidferry_worker.children.protocol import Cookie
from vidferry_worker.children.redaction import HIDDEN, Redaction
from vidferry_worker.children.wire import WireError

URL = "https://www.example.com/watch/harbour-pilots"


def cookie(value: str) -> Cookie:
    return Cookie(".example.com", "/", True, None, "sid", value)


def test_values_are_hidden_wherever_a_child_tells_them() -> None:
    redaction = Redaction([cookie("se/cret+1"), cookie("se/cret+1 and more"), cookie("en")], URL)
    message = {"event": "log", "text": "se/cret+1 and more, en", "list": [{"a": "?x=se%2Fcret%2B1"}, 1, None, True]}
    assert redaction.hide_values(message) == {
        "event": "log", "text": f"{HIDDEN}, en", "list": [{"a": f"?x={HIDDEN}"}, 1, None, True],
    }  # fmt: skip


def test_what_the_site_has_to_be_asked_with_is_not_hidden() -> None:
    """A cookie may have any value: a host, a word of the protocol, or what the caller's URL says."""
    redaction = Redaction([cookie("www.example.com"), cookie("downloaded"), cookie("harbour-pilots")], URL)
    for message in (
        {"event": "connect", "host": "www.example.com"},
        {"event": "progress", "downloaded": 1},
        {"event": "log", "text": "harbour-pilots"},
    ):
        assert redaction.hide_values(message) == message


def test_nothing_is_hidden_where_all_values_are_short() -> None:
    message = {"event": "log", "text": "anything"}
    assert Redaction([cookie("")], URL).hide_values(message) is message


def test_a_message_that_is_nested_too_deeply_ends_the_child() -> None:
    nested: list[object] = []
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(WireError):
        Redaction([cookie("a long secret")], URL).hide_values({"event": "log", "text": nested})
