"""The same video again: from a POST to 100 %, compared with its download."""

import asyncio
import uuid

import httpx2

from bench.life.product import ear, ended, post, product
from bench.report import median, percentile
from support.origin.server import Origin
from support.product import Product


async def measure(running: Product, origin: Origin, samples: int) -> dict[str, list[float]]:
    """Milliseconds from POST to end."""
    found: dict[str, list[float]] = {"new": [], "again": [], "again, by name": []}
    async with ear(running.redis) as heard, httpx2.AsyncClient(base_url=running.api.url, timeout=30) as client:

        async def run(kind: str, url: str) -> None:
            job_id, begun = await post(client, url)
            found[kind].append(1000 * (await heard.first(job_id, ended) - begun))

        for _ in range(samples):
            clip = f"{origin.address}/u/{uuid.uuid4().hex}/media/clip.mp4"
            with_id = f"{origin.address}/Mediasite/Play/{uuid.uuid4().hex}?{clip}"
            await run("new", with_id)
            await run("again", with_id)
            await run("new", clip)
            await run("again, by name", clip)
    return found


def rows(samples: int) -> list[list[str]]:
    with product() as (running, origin):
        found = asyncio.run(measure(running, origin, samples))
    names = {
        "new": "a new video of 2 MB: extracted, downloaded, stored",
        "again": "a URL seen before, of a site with ids of its own",
        "again, by name": "a URL seen before, where the origin is asked whether it is still the same",
    }
    whole = median(found["new"])
    return [
        [names[kind], f"{median(times):.1f}", f"{percentile(times, 0.99):.1f}", f"{median(times) / whole:.2f}"]
        for kind, times in found.items()
    ]
