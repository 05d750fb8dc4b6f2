"""A site whose videos have ids of their own, as yt-dlp's extractor for Mediasite reads it.

    /Mediasite/Play/<id>?<address>                            the page of a video, which is at that address
    /Mediasite/Showcase/<any>/Presentation/<id>?<address>     another page of the same video
    /Mediasite/Catalog/Full/<id>?videos=<n>                   a list of n videos, whose pages name no address: they are
                                                              the clip. `&repeated=<m>`: the first m stand there twice

An address that is `broken` gets an answer that the extractor does not expect, and stumbles over.

An id is 32 hexadecimal digits. The extractor takes these paths directly behind the host only, outside all corners.
"""

import json
from urllib.parse import parse_qs, quote, unquote, urlsplit

from support.origin.wire import Reply, Request, text

SERVICE = "mediasite-service"


def page(request: Request) -> Reply:
    """What the extractor needs of it: where to ask for the streams."""
    if request.path.startswith("/Mediasite/Catalog/"):
        return _catalog(request)
    clip = f"http://{request.headers['host']}/media/clip.mp4"
    address = quote(request.target.partition("?")[2] or clip, safe="")
    return text(f'<!DOCTYPE html><div id="ServicePath">/{SERVICE}/{address}</div>\n', "html")


def _catalog(request: Request) -> Reply:
    """A catalog's page, and what it asks for: the extractor names the page as the Referer."""
    if not request.path.endswith("/GetPresentationsForFolder"):
        return text("<!DOCTYPE html><title>Lectures</title>\n", "html")
    query = parse_qs(urlsplit(request.headers["referer"]).query)
    count, repeated = (int(query.get(name, ["0"])[0]) for name in ("videos", "repeated"))
    videos = [{"Id": f"{number:032x}"} for number in (*range(count), *range(repeated))]
    return text(json.dumps({"CurrentFolder": {"Name": "Lectures"}, "PresentationDetailsList": videos}), "json")


def options(rest: str) -> Reply:
    """The player's options: one stream."""
    address = unquote(rest.removesuffix("/GetPlayerOptions"))
    if address == "broken":
        return text("[]", "json")
    stream = {"StreamType": 0, "VideoUrls": [{"Location": address, "MimeType": "video/mp4", "MediaType": "MP4"}]}
    presentation = {"Title": "A lecture", "Duration": 6000, "Streams": [stream]}
    return text(json.dumps({"d": {"Presentation": presentation}}), "json")
