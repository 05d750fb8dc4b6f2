"""A site whose videos have ids of their own, as yt-dlp's extractor for Mediasite reads it.

    /Mediasite/Play/<id>?<address>                            the page of a video, which is at that address
    /Mediasite/Showcase/<any>/Presentation/<id>?<address>     another page of the same video

An address that is `broken` gets an answer that the extractor does not expect, and stumbles over.

An id is 32 hexadecimal digits. The extractor takes these paths directly behind the host only, outside all corners.
"""

import json
from urllib.parse import quote, unquote

from support.origin.wire import Reply, Request, text

SERVICE = "mediasite-service"


def page(request: Request) -> Reply:
    """What the extractor needs of it: where to ask for the streams."""
    address = quote(request.target.partition("?")[2], safe="")
    return text(f'<!DOCTYPE html><div id="ServicePath">/{SERVICE}/{address}</div>\n', "html")


def options(rest: str) -> Reply:
    """The player's options: one stream."""
    address = unquote(rest.removesuffix("/GetPlayerOptions"))
    if address == "broken":
        return text("[]", "json")
    stream = {"StreamType": 0, "VideoUrls": [{"Location": address, "MimeType": "video/mp4", "MediaType": "MP4"}]}
    presentation = {"Title": "A lecture", "Duration": 6000, "Streams": [stream]}
    return text(json.dumps({"d": {"Presentation": presentation}}), "json")
