import pytest

from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.webhooks import (
    EventType,
    Webhook,
    check_secret,
    event_id,
    parse_event_id,
    parse_events,
)

URL = "https://hooks.example.org/a?b c"


def test_a_job_and_a_batch_tell_their_own_events() -> None:
    webhook = Webhook(URL, tuple(EventType))
    types, receiver, endpoint, url = webhook.record_field(JobKind.DOWNLOAD, "team-a", "example.org").split(" ", 3)
    assert (types.split(","), url) == (list(EventType)[:5], URL)
    assert webhook.record_field(JobKind.BATCH, "", "example.org").startswith("batch.completed ")
    assert Webhook(URL, (EventType.JOB_FAILED,)).record_field(JobKind.BATCH, "", "example.org") == ""
    assert Webhook.parse_record_field(f"{types} {receiver} {endpoint} {url}") == Webhook(URL, tuple(EventType)[:5])


def test_receivers_and_endpoints_are_one_owners() -> None:
    def told(owner: str, domain: str, url: str = URL) -> list[str]:
        return Webhook(url, tuple(EventType)).record_field(JobKind.DOWNLOAD, owner, domain).split(" ", 3)[1:3]

    mine, theirs = told("team-a", "example.org"), told("team-b", "example.org")
    assert mine[0] != theirs[0]
    assert mine[1] != theirs[1]
    assert told("team-a", "example.org", "https://other.example.org/")[0] == mine[0]


def test_the_id_of_an_event_names_job_and_message() -> None:
    job_id = "3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a"
    assert parse_event_id(event_id(job_id, 17)) == (job_id, 17)
    assert "." not in event_id(job_id, 17), "it separates id and time in what is signed"
    for wrong in ("", "evt_", f"evt_{job_id}", f"evt_{job_id}_0", f"evt_{job_id}_1\n", f"evt_{job_id.upper()}_1"):
        assert parse_event_id(wrong) is None


def test_events_by_their_names() -> None:
    assert parse_events(["job.failed", "job.started", "job.failed"]) == (EventType.JOB_STARTED, EventType.JOB_FAILED)
    with pytest.raises(ValueError, match=r"These are job\.started"):
        parse_events(["job.exploded"])


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_short", "whsec_" + "a" * 31, "whsec_" + "a" * 89, "a" * 40, 7,
                                  "whsec_" + "a" * 33, "whsec_" + "ä" * 32])  # fmt: skip
def test_what_is_no_secret(text: object) -> None:
    with pytest.raises(ValueError, match="must be whsec_") as refused:
        check_secret(text)
    assert not text or str(text) == "whsec_" or str(text) not in str(refused.value)
