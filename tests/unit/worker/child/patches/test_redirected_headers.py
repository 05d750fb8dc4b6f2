"""What a request takes along to another host: by yt-dlp's own handler, against two real servers."""

from collections.abc import Iterator

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.networking._requests import RequestsSession
from yt_dlp.networking.common import Request

from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import Reply
from vidferry_worker.child import cookies
from vidferry_worker.child.patches import redirected_headers
from vidferry_worker.children.protocol import Cookie

SECRET = "a-long-secret"


@pytest.fixture(scope="module")
def other() -> Iterator[Origin]:
    with Origin(host="127.0.0.2") as server:
        yield server


@pytest.fixture
def ydl() -> Iterator[YoutubeDL]:
    with YoutubeDL({"quiet": True, "proxy": ""}) as made:
        cookies.put_into_jar(made.cookiejar, [Cookie("127.0.0.1", "/", False, None, "sid", SECRET)])
        yield made
        cookies.put_into_jar(made.cookiejar, ())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_extractors_headers_stay_on_their_site(
    status: int, ydl: YoutubeDL, site: Site, other: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RequestsSession, "rebuild_auth", RequestsSession.rebuild_auth)
    redirected_headers.install()
    elsewhere = other.site()
    target = elsewhere.put("/end", Reply(200, {"Content-Length": "0"}))
    onward = site.put("/onward", Reply(status, {"Location": target, "Content-Length": "0"}))
    start = site.put("/start", Reply(status, {"Location": onward, "Content-Length": "0"}))
    headers = {"X-CSRFToken": SECRET, "Cookie": f"sid={SECRET}", "Authorization": f"Bearer {SECRET}", "X-Kept": "yes"}

    ydl.urlopen(Request(start, headers=headers)).close()

    assert [SECRET in str(each.headers) for each in site.requests()] == [True, True]
    assert site.requests("/onward")[0].headers["x-csrftoken"] == SECRET
    (asked,) = elsewhere.requests()
    assert SECRET not in str(asked.headers)
    assert asked.headers["x-kept"] == "yes"
