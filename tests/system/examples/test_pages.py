"""Every example in README.md and docs/ is run by a test: those by curl here, the others where the table says."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.backstage import Backstage, store_video
from support.curl_examples import MORE, compare, read_examples
from support.services import Api
from support.tree import ROOT
from vidferry_api.jobs.messages import messages_schema
from vidferry_common.contract.bundles import Versions

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^    .+\n)+", re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

RUN_BY = {
    ("api.md", "console"): "test_pages.py",
    ("api.md", "yaml"): "../generators/test_clients.py",
    ("api.md", "python"): "../generators/test_clients.py",
    ("api.md", "ts"): "../generators/test_clients.py",
    ("clients.md", "js"): "../clients/test_documented.py",
    ("clients.md", "python"): "../clients/test_python.py",
    ("operations.md", "nginx"): "../nginx/test_documented.py",
    ("webhooks.md", "console"): "../webhooks/test_documented.py",
    ("webhooks.md", "js"): "../webhooks/test_documented.py",
    ("webhooks.md", "python"): "../webhooks/test_documented.py",
}
"""the tests that run the blocks of a page in that language"""


def _blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCED.findall(page.read_text()) if kind == language]


def _indented(page: Path, beginning: str) -> Iterator[str]:
    """Indented blocks that begin so."""
    for block in INDENTED.findall(FENCED.sub("", page.read_text())):
        text = re.sub(r"^    ", "", block, flags=re.MULTILINE)
        if text.startswith(beginning):
            yield text


def test_a_test_runs_each_block_of_code() -> None:
    found = Counter((page.name, kind) for page in PAGES for kind, _ in FENCED.findall(page.read_text()))

    assert found.keys() == RUN_BY.keys()
    assert [test for test in RUN_BY.values() if not (Path(__file__).parent / test).exists()] == []


def test_the_conventions(api: Api, backstage: Backstage) -> None:
    """In the order of the page: an example goes on with the job, or the stored video, of the one before."""
    variables = {"OBJECT": store_video(backstage, "videos/generic/example.com/1/1080-any", "A walk in the park")}
    backstage.store(lambda store: store.bundles.report("worker", Versions("1", "1", "1", "1", "1")))
    examples = [each for block in _blocks(ROOT / "docs/api.md", "console") for each in read_examples(block)]
    with httpx2.Client(base_url=api.url, timeout=20, verify=False) as client:
        variables["JOB"] = client.post("/api/download", json={"url": "https://example.com/first"}).json()["job_id"]
        for example in examples:
            example.run(client, variables)

    assert len(examples) >= 12


def test_the_request_of_the_readme(api: Api) -> None:
    (command,) = _indented(ROOT / "README.md", "curl ")
    accepted = next(block for block in _indented(ROOT / "README.md", '{"job_id"'))
    (example,) = read_examples(f"$ {command}HTTP/1.1 202 Accepted\n\n{accepted}".replace("\\\n ", ""))
    with httpx2.Client(base_url=api.url, timeout=20, verify=False) as client:
        example.run(client, {})


@pytest.mark.parametrize("page", ["README.md", "docs/protocol.md"])
def test_the_messages(page: str) -> None:
    """Their fields are those of the schema, which real messages are checked against."""
    definitions = messages_schema()["$defs"]
    fields = {"StatusMessage": definitions["StatusMessage"]["properties"], "Job": definitions["Job"]["properties"]}
    (message,) = _indented(ROOT / page, '{"v"')
    outer, _, inner = message.partition('"data":')
    names = re.compile(r'"(\w+)":')

    assert set(names.findall(outer)) <= fields["StatusMessage"].keys()
    assert len(names.findall(inner)) > 10
    assert set(names.findall(inner)) <= fields["Job"].keys()


def test_the_other_messages_of_a_socket() -> None:
    definitions = messages_schema()["$defs"]
    shown = [line for block in _indented(ROOT / "docs/protocol.md", '{"type"') for line in block.splitlines()]

    for line in shown:
        (kind,) = re.findall(r'"type": "(\w+)"', line)
        names = set(re.findall(r'[{ ]"(\w+)":', line))
        described = definitions[f"{kind.title()}Message"]
        assert set(described["required"]) <= names <= described["properties"].keys(), line
    assert len(shown) == 5


def test_an_answer_that_differs() -> None:
    """The comparison of examples can fail."""
    found = {"id": "x-1", "list": [1, 2], "none": None}
    compare({"id": "x-…", "list": [1, 2], MORE: None}, found)
    for wrong in ({"id": "x-1"}, {"id": "y-…", MORE: None}, {"list": [1], MORE: None}, {"more": 1, MORE: None}):
        with pytest.raises(AssertionError):
            compare(json.loads(json.dumps(wrong)), found)
