"""What must be true of batches afterwards."""

from collections import Counter
from collections.abc import Iterator, Sequence

from system.chaos.crowd import is_unusable
from system.chaos.person import Collector
from system.chaos.verdict import MAY_FAIL_WITH
from system.chaos.watched_job import Data

COUNTED = ("queued", "processing", "completed", "failed", "cancelled")
MAY_FAIL_BATCHES_WITH = MAY_FAIL_WITH | {"batch_failed", "invalid_url"}
"""its playlist could not be read, or none of its children has completed"""


async def of_batches(collectors: Sequence[Collector]) -> list[str]:
    """A batch ends with the counts of its children; each entry is one child, in its place."""
    wrong = []
    for collector in collectors:
        state, children = await collector.job.read(), await collector.caller.list_children(collector.job.id)
        found = [*_compare_counts(state, children), *_compare_entries(collector, state, children)]
        wrong += [f"batch {collector.job.id} {each}: {state}" for each in found]
    return wrong


def _compare_counts(state: Data, children: Sequence[Data]) -> Iterator[str]:
    """What is wrong with the figures of a batch, and with its end."""
    counts, states = state["batch"]["counts"], Counter(child["status"] for child in children)
    if {status: counts[status] for status in COUNTED} != {status: states[status] for status in COUNTED}:
        yield f"has children that are {dict(states)}"
    if counts["made"] != len(children):
        yield f"has {len(children)} children"
    if state["batch"]["size"] != sum(child["result"]["size"] for child in children if child.get("result")):
        yield "tells another size than its children"
    if state["status"] == "completed" and not states["completed"]:
        yield "has completed without a child that has"
    if state["status"] == "failed" and state["error"]["code"] not in MAY_FAIL_BATCHES_WITH:
        yield "must not fail so"


def _compare_entries(collector: Collector, state: Data, children: Sequence[Data]) -> Iterator[str]:
    """What is wrong with the children of a batch."""
    urls, expected = [child["url"] for child in children], list(collector.expected)
    if urls != expected[: len(urls)]:
        yield f"has children of {urls} instead of {expected}"
    if state["status"] == "completed" and (len(urls), state["batch"]["counts"]["total"]) != (len(expected),) * 2:
        yield f"lacks children of {expected[len(urls) :]}"
    if {child["job_id"] for child in children} != {job.id for job in collector.jobs[1:]}:
        yield "has other children than were watched"
    for index, child in enumerate(children, 1):
        if child["parent"] != {"batch": state["job_id"], "index": index}:
            yield f"has {child['parent']} in the place {index}"
        if is_unusable(child["url"]) != (child["status"] == "failed" and child["error"]["code"] == "invalid_url"):
            yield f"has a child of {child['url']} that is {child['status']}"
