"""Requests by curl as the documentation prints them, with the answers that it prints below them.

    $ curl -si http://localhost:3001/api/jobs/$JOB -H "if-none-match: $ETAG"
    HTTP/1.1 304 Not Modified
    etag: $ETAG

An answer has a status and headers if curl is told to show them (`-i`). `…` stands for any text, in JSON also for any
value and for further fields.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

HOST = "localhost:3001"
BASE = f"http://{HOST}"
MORE = "…"
_STATUS = re.compile(r"HTTP/1\.1 (\d{3}) .+")


@dataclass(frozen=True)
class Example:
    """One request, and what is printed of its answer."""

    command: str
    status: int
    headers: Mapping[str, str]
    body: str

    def run(self, client: httpx2.Client, variables: dict[str, str]) -> None:
        """Sends the request and compares the answer. Sets the variables JOB and ETAG from what was answered."""
        answer = _send(client, [_fill(word, variables) for word in shlex.split(self.command)])
        host = client.base_url.netloc.decode()
        assert answer.status_code == self.status, (self.command, answer.text)
        for name, value in self.headers.items():
            told = answer.headers.get(name, "").replace(host, HOST)
            assert _matches(_fill(value, variables), told), (self.command, name, told)
        if self.body:
            compare(json.loads(_fill(_as_json(self.body), variables)), json.loads(answer.text.replace(host, HOST)))
        else:
            assert answer.content == b"", self.command
        if answer.status_code == 202:
            variables["JOB"] = answer.json()["job_id"]
        if "etag" in answer.headers:
            variables["ETAG"] = answer.headers["etag"]


def read_examples(block: str) -> list[Example]:
    """The examples of one block, each begun by `$ curl`."""
    return [_read_example(text) for text in re.split(r"^\$ (?=curl )", block, flags=re.MULTILINE) if text.strip()]


def _read_example(text: str) -> Example:
    command, _, answer = text.strip().partition("\n")
    while command.endswith("\\"):
        more, _, answer = answer.partition("\n")
        command = f"{command[:-1]}{more}"
    status, headers = 200, {}
    if shown := _STATUS.match(answer):
        head, _, answer = answer.partition("\n\n")
        status = int(shown[1])
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    return Example(command, status, headers, answer.strip())


def _send(client: httpx2.Client, command: list[str]) -> httpx2.Response:
    """Sends what curl would send; only the options that the documentation uses."""
    words = command[1:]
    method, url, body, headers = "", "", None, {"Accept-Encoding": "identity"}
    while words:
        word = words.pop(0)
        if word in {"-s", "-si"}:
            continue
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = words.pop(0)
        else:
            assert word.startswith(BASE), word
            url = word.removeprefix(BASE)
    return client.request(method or ("POST" if body else "GET"), url, headers=headers, content=body)


def compare(expected: Any, found: Any, where: str = "body") -> None:
    """Raises AssertionError where the answer isn't as the example says."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        names = expected.keys() - {MORE}
        assert names <= found.keys(), (where, names - found.keys())
        assert MORE in expected or names == found.keys(), (where, found.keys() - names)
        for name in names:
            compare(expected[name], found[name], f"{where}.{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(expected) == len(found), where
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            compare(one, other, f"{where}[{number}]")
    elif isinstance(expected, str):
        assert expected == MORE or (isinstance(found, str) and _matches(expected, found)), (where, expected, found)
    else:
        assert expected == found, (where, expected, found)


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split(MORE))), text, re.DOTALL) is not None


def _as_json(text: str) -> str:
    """The example with each bare `…` as JSON has it."""
    return re.sub(r"(?<=[,{])\s*…(?=\s*\})", f' "{MORE}": null', text)


def _fill(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"${name}", value)
    return text
