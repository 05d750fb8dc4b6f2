"""Tickets in the links of messages: in Vidferry's own links of this job, and nowhere else."""

import json
import uuid
from typing import Any

import orjson
import pytest

from support.tickets import signer
from vidferry_common.contract.tickets import Purpose
from vidferry_gateway.link_tickets import LinkTickets

JOB, OTHER_JOB = (str(uuid.UUID(int=number)) for number in (7, 8))
ROOT = "https://host.example/below"
NOW = 1_800_000_000.0
LINKS = {
    "thumbnail": f"{ROOT}/api/jobs/{JOB}/thumbnail",
    "file_url": f"{ROOT}/api/jobs/{JOB}/file",
}


def with_tickets(data: dict[str, object]) -> dict[str, object]:
    raw = orjson.dumps({"type": "status", "data": data})
    changed, _ = LinkTickets(signer(), lambda: NOW).add_to(raw, JOB, None)
    found: dict[str, object] = json.loads(changed)["data"]
    return found


def query(purpose: Purpose) -> str:
    return f"?ticket={signer().make_job_ticket(purpose, JOB, NOW)}"


def test_links_to_what_the_job_made_get_a_ticket_and_those_for_watching_it_none() -> None:
    """A ticket for watching must not lead to a later one."""
    read = query(Purpose.READ)
    thumbnail, file_url = LINKS.values()
    data: dict[str, Any] = {
        "job_id": JOB, "title": 'A "title"', "thumbnail": thumbnail, "status_url": f"{ROOT}/api/jobs/{JOB}",
        "ws_url": f"wss://host.example/below/ws/download/{JOB}", "events_url": f"{ROOT}/sse/download/{JOB}",
        "format": {"quality": "1080"},
        "result": {"title": "x", "url": f"{ROOT}/files/{JOB}/file?signature=x", "file_url": file_url}, "error": None,
    }  # fmt: skip
    assert with_tickets(data) == {
        **data, "thumbnail": thumbnail + read,
        "result": {**data["result"], "file_url": file_url + read},
    }  # fmt: skip


@pytest.mark.parametrize("field", list(LINKS))
def test_nothing_that_a_site_or_a_caller_wrote_gets_one(field: str) -> None:
    link = LINKS[field]
    texts = [f'"{field}":"{link}"', f'","{field}":"{link}', f'\\","{field}":"{link}', link, f"{field}\0{link}"]
    for text in texts:
        for written in (
            {"title": text}, {"message": text}, {"error": {"message": text}}, {"result": {"filename": text}},
            {"external_id": text}, {"metadata": {"a": text, "b": {text: text}, f'x"{field}': "y"}},
        ):  # fmt: skip
            data: dict[str, object] = {"job_id": JOB, **written}
            assert with_tickets(data) == data


@pytest.mark.parametrize("field", list(LINKS))
@pytest.mark.parametrize(
    "value",
    ["{other}", "{link}/", "{link}?x=1", "{upper}", "", None, {"href": "{link}"}, ["{link}"]],
)
def test_a_link_of_another_form_is_left_alone(field: str, value: Any) -> None:
    link = LINKS[field]
    for name, text in {"link": link, "other": link.replace(JOB, OTHER_JOB), "upper": link.upper()}.items():
        value = json.loads(json.dumps(value).replace(f"{{{name}}}", text))
    data = {"job_id": JOB, field: value}
    assert with_tickets(data) == data


@pytest.mark.parametrize("field", list(LINKS))
def test_a_callers_field_of_the_same_name_does_not_hide_the_jobs_own(field: str) -> None:
    """Wherever another release writes it. A caller can't know the id of a job that it is about to ask for."""
    for value in ("https://evil.example/", f"https://evil.example/api/jobs/{OTHER_JOB}/file", "", f"/{field}"):
        metadata: dict[str, object] = {"metadata": {field: value, "x": {field: value}}}
        for data in ({**metadata, field: LINKS[field]}, {field: LINKS[field], **metadata}):
            assert with_tickets(data) == {**data, field: LINKS[field] + query(Purpose.READ)}


def test_the_tickets_are_made_once_until_their_expiry_is_rounded_anew() -> None:
    now = [NOW]
    tickets = LinkTickets(signer(lifetime=80), lambda: now[0])
    raw = orjson.dumps({"thumbnail": LINKS["thumbnail"]})
    first, known = tickets.add_to(raw, JOB, None)
    now[0] += 9
    assert tickets.add_to(raw, JOB, known) == (first, known)
    assert tickets.add_to(raw, JOB, known)[1] is known
    now[0] += 1
    later, renewed = tickets.add_to(raw, JOB, known)
    assert later != first
    assert renewed is not known


def test_a_message_without_links_is_not_copied() -> None:
    raw = orjson.dumps({"thumbnail": None, "result": None})
    assert LinkTickets(signer()).add_to(raw, JOB, None)[0] is raw
