import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls.variables import MAX_VARIABLES, substitute_variables

URL = "http://site/v/list.m3u8?a=b%20c&empty="


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{$a}/{$b}", "1/2"),
        ('#EXT-X-KEY:URI="{$a}"', '#EXT-X-KEY:URI="1"'),
        ("#EXTINF:1,{$a}", "#EXTINF:1,{$a}"),
        ("{$a", "{$a"),
        ("{$nested}", "{$a}"),
        ("{$query}", "b c"),
    ],
)
def test_variables_are_replaced_once(line: str, expected: str) -> None:
    defined = [
        '#EXT-X-DEFINE:NAME="a",VALUE="1"', '#EXT-X-DEFINE:IMPORT="b"', '#EXT-X-DEFINE:NAME="nested",VALUE="{$a}"',
        '#EXT-X-DEFINE:QUERYPARAM="query"',
    ]  # fmt: skip

    lines, variables = substitute_variables([*defined, line], "http://site/?query=b%20c", {"b": "2"})

    assert lines == [expected]
    assert variables == {"a": "1", "b": "2", "nested": "{$a}", "query": "b c"}


def test_a_list_without_definitions_may_have_braces() -> None:
    assert substitute_variables(["{$a}"], URL, {"a": "1"}) == (["{$a}"], {})


@pytest.mark.parametrize(
    "lines",
    [
        ['#EXT-X-DEFINE:NAME="a",VALUE="1"', "{$b}"],
        ["{$a}", '#EXT-X-DEFINE:NAME="a",VALUE="1"'],
        ['#EXT-X-DEFINE:QUERYPARAM="empty"'],
        ['#EXT-X-DEFINE:QUERYPARAM="none"'],
        ['#EXT-X-DEFINE:IMPORT="a"'],
        ["#EXT-X-DEFINE:"],
        [f'#EXT-X-DEFINE:NAME="{at}",VALUE=""' for at in range(MAX_VARIABLES + 1)],
        [f'#EXT-X-DEFINE:NAME="a",VALUE="{"x" * 100_000}"', *["{$a}" * 20] * 100],
    ],
    ids=["undefined", "too-early", "empty", "not-there", "import-of-nothing", "nothing", "too-many", "too-long"],
)
def test_variables_that_are_refused(lines: list[str]) -> None:
    with pytest.raises(JobFailure) as failure:
        substitute_variables(lines, URL, {})
    assert failure.value.code is ErrorCode.UNSUPPORTED_STREAM
