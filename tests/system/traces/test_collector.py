"""A collector that hangs holds nothing up, and gets what is left before the programs end."""

from pathlib import Path
from signal import SIGTERM

import pytest

from support.origin.site import Site
from support.otlp_receiver import OtlpReceiver
from support.product import Product

pytestmark = pytest.mark.traces
ENDED = (-SIGTERM, 0)
"""exit statuses of api and worker: uvicorn ends by the signal, once all is done"""


def test_a_collector_that_hangs_holds_nothing_up_and_gets_the_rest_at_the_end(tmp_path: Path, site: Site) -> None:
    with OtlpReceiver() as collector:
        collector.gate.clear()
        with Product(tmp_path, {}, environment=collector.environment) as product:
            assert product.run(site.url("/media/clip.mp4")).last["status"] == "completed"
            collector.wait_for_requests(2)  # of each, one that waits for its answer
            assert product.run(site.url("/media/clip.mp4?2")).last["status"] == "completed"
            collector.gate.set()
            assert (product.api.stop(), product.worker.stop()) == ENDED

            names = [span.name for span in collector.spans]
    assert [names.count(name) for name in ("POST /api/download", "create downloads", "process downloads")] == [2] * 3
