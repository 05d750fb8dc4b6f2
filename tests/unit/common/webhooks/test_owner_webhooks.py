from typing import Any

import pytest
from pydantic import SecretStr

from support.receiver import OTHER_SECRET, SECRET
from vidferry_common.contract.webhooks import EventType
from vidferry_common.webhooks.owner_webhooks import OwnerWebhook, parse_owner_webhook, read_owner_webhooks

URL = "https://hooks.example.org/a"
FILE = f"""
[[keys]]
name = "whatever"
[owners.team-a.limits]
jobs_running = 4
[owners.team-a.webhook]
secrets = ["{SECRET}", "{OTHER_SECRET}"]
url = "{URL}"
events = ["job.failed"]
[owners.team-b.webhook]
secrets = ["{SECRET}"]
"""


def test_what_a_file_says_of_webhooks() -> None:
    secret = SecretStr(SECRET)
    assert read_owner_webhooks(FILE.encode()) == {
        "team-a": OwnerWebhook((secret, SecretStr(OTHER_SECRET)), URL, (EventType.JOB_FAILED,)),
        "team-b": OwnerWebhook((secret,)),
    }
    assert SECRET not in repr(read_owner_webhooks(FILE.encode()))
    assert read_owner_webhooks(b"") == {}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (7, "webhook must be a table"),
        ({"secrets": [SECRET], "secret": SECRET}, "webhook must be a table with these fields"),
        ({}, "secrets must be a list"),
        ({"secrets": []}, "secrets must be a list"),
        ({"secrets": SECRET}, "secrets must be a list"),
        ({"secrets": [SECRET] * 3}, "secrets must be a list of one or 2"),
        ({"secrets": ["whsec_hush"]}, "secrets must be whsec_"),
        ({"secrets": [SECRET], "url": "hush"}, "url must be an absolute"),
        ({"secrets": [SECRET], "url": "https://hush:hush@example.org"}, "url must not contain a user name"),
        ({"secrets": [SECRET], "url": "https://example.org/hüsh"}, "url must be a URL"),
        ({"secrets": [SECRET], "url": "https://example.org/" + "hush" * 600}, "url must be a URL"),
        ({"secrets": [SECRET], "events": ["hush"]}, "events must name events"),
        ({"secrets": [SECRET], "events": [7]}, "events must be a list"),
    ],
)
def test_what_is_wrong_is_told_and_not_repeated(table: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        parse_owner_webhook(table)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("content", [b"[[[", b"\xff", b"owners = 7", b"[owners]\na = 7", b"#" * 1024**2 + b"##"])
def test_files_that_are_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="the file"):
        read_owner_webhooks(content)
