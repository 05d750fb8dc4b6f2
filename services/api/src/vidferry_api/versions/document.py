"""The answer about versions: workers are counted, and none is named, since their names are those of hosts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from vidferry_api.versions.schemas import RunningBundle, RunningVersions, WorkerVersions
from vidferry_common.contract.bundles import Bundle
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.store import HeldVersion, WorkerReport


def describe_versions(
    bundle: Bundle | None, held: Mapping[str, HeldVersion], reports: Sequence[WorkerReport]
) -> RunningVersions:
    """What runs, for whoever may read jobs."""
    counts = Counter(report.versions for report in reports)
    in_order = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return RunningVersions(
        vidferry=version("vidferry-api"),
        bundle=_describe_bundle(bundle) if bundle else None,
        held=sorted(held),
        workers=[
            WorkerVersions(count=count, **{name: told or None for name, told in versions.as_dict().items()})
            for versions, count in in_order
        ],
    )


def _describe_bundle(bundle: Bundle) -> RunningBundle:
    return RunningBundle(
        yt_dlp=bundle.version,
        ejs=bundle.ejs_version,
        previous=bundle.previous or None,
        published_at=format_timestamp(datetime.fromtimestamp(bundle.published / 1000, UTC)),
    )
