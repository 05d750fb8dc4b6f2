"""Pages of one video."""

from uuid import uuid4

from support.origin.server import Origin


def addresses(origin: Origin, video: str) -> tuple[str, str]:
    """Two pages of one video, on a site that names its videos by ids of its own."""
    name = uuid4().hex
    return (
        f"{origin.address}/Mediasite/Play/{name}?{video}",
        f"{origin.address}/Mediasite/Showcase/all/Presentation/{name}?{video}",
    )
