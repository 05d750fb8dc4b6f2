"""What lies under which path. Each may follow `/u/<token>`, which names a site of its own (site.py).

Well-behaved:

    /media/clip.mp4, /media/clip.webm   Range, ETag, Last-Modified, Content-Length; `?validators=` as in files.py
    /other/clip.mp4                     the same name, other content
    /thumb.jpg
    /hls/master.m3u8                    two heights, sound in a group of its own
    /hls-untold/master.m3u8             the same, its codecs not told
    /dash/manifest.mpd                  two heights, sound in an adaptation set of its own
    /codecs/…                           the same in newer codecs: codecs.py
    /page, /page-hls                    a player in a page; `?title=` a name in pages.TITLES,
                                        `?src=` what it plays, several for several players
    /page-empty                         a page without a player
    /mutable/<key>/clip.mp4             another content and other validators after each /control/mutate?key=<key>
    /signed-in/<name>/clip.mp4          401 to whoever has no cookie `session` of the value `secret-of-<name>`
    /redirect?to=<address>              `&code=` 302; the address is sent as it is, so `/media/…` leaves the site and
                                        `media/…` doesn't

    /Mediasite/…                        pages of videos with ids of their own: mediasite.py

Slow, or held:

    /slow/clip.mp4?rate=<bytes a second>
    /slow-hls/<bytes a second>/master.m3u8, /slow-dash/<bytes a second>/manifest.mpd
    /gated/<gate>/clip.mp4              bytes from `?at=` (default: half) on wait until the gate is opened. A probe that
                                        closes at the headers never gets there, if `at` is above 300,000
    /large/<gate>/clip.mp4              the clip in a file of `?mib=` (20) MiB; bytes from `?at=` (default: half) wait.
                                        `&index=` the MiB before which its index ends. `&cut=` ends at that byte, once
                                        gate `<gate>-cut` is opened; who then asks for the rest gets all of another
                                        version, held in its turn
    /gated-hls/<gate>/<rendition>/<k>/master.m3u8
                                        segments from number k on (the first is 0) of a rendition (v360, v720, audio)
                                        wait; k = 0 holds all of it

Misbehaving:

    /status/<code>                      `?after=` is the Retry-After of 429 and 503 (1)
    /flaky/clip.mp4?times=1&key=K       so many requests are answered `&status=` (503), the first `&after=` (0) are not;
                                        `&wait=` is their Retry-After (none)
    /chunked/clip.mp4                   no length, no validators, no ranges; `?rate=`
    /packed/clip.mp4                    compressed; its length is that of what is sent, not of the video; `?rate=`
    /short/clip.mp4                     ends at byte `?at=` (half), whatever was announced; `&times=` so often (always);
                                        `&reset=1` by RST; `&rate=`
    /endless/clip.mp4                   never ends; `?rate=`
    /announced/clip.mp4?bytes=          says that it has so many, and sends for ever; `&rate=`
    /disguised/clip.mp4                 a playlist, sent as a video
    /tiny/<gate>/clip.mp4               one second of video in a few kB, held at its first byte
    /hls-missing/master.m3u8            segment 2 of every rendition is 404
    /hls-lying/master.m3u8              the sound's list, by which extractors tell a video's length, ends after a second
    /live.m3u8                          a playlist that hasn't ended
    /embeds/<count>                     a page with so many players of another site
    /variants/<count>/master.m3u8       a playlist with so many variants, all of them the same
    /hang                               no answer until gate `?gate=` (hang) is opened

A test in the origin's own process puts further answers where it wants them (Site.put); control.py lists its commands.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from support.origin import media, mediasite
from support.origin.files import TYPES, File, answer, answer_as_put
from support.origin.pages import TITLES, page
from support.origin.site import Site
from support.origin.wire import Body, Reply, Request, text

SOURCES = {
    "/media/clip.mp4": "clip.mp4",
    "/media/clip.webm": "clip.webm",
    "/other/clip.mp4": "other.mp4",
    "/thumb.jpg": "thumb.jpg",
}
MISSING = re.compile(r"/seg002\.ts$")


@dataclass(frozen=True)
class Call:
    request: Request
    rest: str
    """The path behind the route's name, without a slash in front."""
    site: Site


class NotFound(Exception):
    pass


def route(request: Request, site: Site) -> Reply:
    """The answer to a request; also to one of a wrong path or with a wrong figure."""
    put = site.next_answer(request.path)
    if put is not None:
        return answer_as_put(request, put)
    try:
        if request.path in SOURCES:
            return _file(Call(request, "", site), SOURCES[request.path])[0]
        name, _, rest = request.path.removeprefix("/").partition("/")
        return ROUTES[name](Call(request, rest, site))
    except (KeyError, NotFound):
        return text("no such path\n", status=404)
    except ValueError as error:
        return text(f"{error}\n", status=400)


def _file(call: Call, name: str) -> tuple[Reply, int]:
    """A file of the media folder, and the offset of the reply's body in it."""
    if ".." in name.split("/") or not (media.folder() / name).is_file():
        raise NotFound
    return answer(call.request, File(name, media.read(name)))


def _clip(call: Call, under: str = "") -> tuple[Reply, int]:
    if call.rest != f"{under}clip.mp4":
        raise NotFound
    return _file(call, "clip.mp4")


def _hls(call: Call) -> Reply:
    return _file(call, f"hls/{call.rest}")[0]


def _dash(call: Call) -> Reply:
    return _file(call, f"dash/{call.rest}")[0]


def _codecs(call: Call) -> Reply:
    return _file(call, f"codecs/{call.rest}")[0]


def _announced(call: Call) -> Reply:
    reply = _endless(call)
    reply.body.chunked = False
    reply.headers["Content-Length"] = call.request.value("bytes")
    return reply


def _disguised(call: Call) -> Reply:
    reply = _hls(Call(call.request, "v360/index.m3u8", call.site))
    reply.headers["Content-Type"] = TYPES[".mp4"]
    return reply


def _tiny(call: Call) -> Reply:
    name, _, file = call.rest.partition("/")
    if file != "clip.mp4":
        raise NotFound
    reply, _ = _file(call, "tiny.mp4")
    reply.body.gate = call.site.gate(name)
    return reply


def _hls_missing(call: Call) -> Reply:
    if MISSING.search(call.rest):
        raise NotFound
    return _hls(call)


def _hls_untold(call: Call) -> Reply:
    reply = _hls(call)
    if call.rest == "master.m3u8":
        reply.body.data = re.sub(rb',CODECS="[^"]*"', b"", reply.body.data)
    return reply


def _hls_lying(call: Call) -> Reply:
    reply = _hls(call)
    if call.rest == "audio/index.m3u8":
        lines = reply.body.data.splitlines(keepends=True)
        first = next(at for at, line in enumerate(lines) if line.startswith(b"#EXTINF"))
        reply.body.data = b"".join([*lines[: first + 2], b"#EXT-X-ENDLIST\n"])
    return reply


def _paced(folder: str) -> Callable[[Call], Reply]:
    def paced(call: Call) -> Reply:
        rate, _, name = call.rest.partition("/")
        reply, _ = _file(call, f"{folder}/{name}")
        reply.body.rate = int(rate)
        return reply

    return paced


def _slow(call: Call) -> Reply:
    reply, _ = _clip(call)
    reply.body.rate = call.request.number("rate", 256 * 1024)
    return reply


def _gated(call: Call) -> Reply:
    name = call.rest.partition("/")[0]
    reply, first = _clip(call, under=f"{name}/")
    reply.body.gate = call.site.gate(name)
    reply.body.gate_at = max(0, call.request.number("at", media.CLIP_BYTES // 2) - first)
    return reply


def _large(call: Call) -> Reply:
    name, _, file = call.rest.partition("/")
    if file != "clip.mp4":
        raise NotFound
    mib, cut = call.request.number("mib", 20), call.request.number("cut", 0)
    anew = bool(cut) and "range" in call.request.headers
    data = media.large(mib, int(anew), call.request.number("index", 0))
    reply, first = Reply(200, {"Content-Type": TYPES[".mp4"]}, Body(data)), 0
    if not cut:
        reply, first = answer(call.request, File("clip.mp4", data))
    if cut and not anew:
        reply.body.cut_at = reply.body.gate_at = cut
        reply.body.gate = call.site.gate(f"{name}-cut")
    else:
        reply.body.gate = call.site.gate(name)
        reply.body.gate_at = max(0, call.request.number("at", len(data) // 2) - first)
    return reply


def _gated_hls(call: Call) -> Reply:
    gate, rendition, number, name = (call.rest.split("/", 3) + [""] * 3)[:4]
    reply, _ = _file(call, f"hls/{name}")
    segment = re.fullmatch(r"(\w+)/seg(\d+)\.ts", name)
    if segment and segment[1] == rendition and int(segment[2]) >= int(number):
        reply.body.gate = call.site.gate(gate)
    return reply


def _hang(call: Call) -> Reply:
    gate = call.site.gate(call.request.value("gate", "hang"))

    async def wait() -> bytes:
        await gate.opened()
        return b"at last\n"

    return text("", work=wait)


def _status(call: Call) -> Reply:
    code = int(call.rest.partition("/")[0])
    retry = {"Retry-After": call.request.value("after", "1")} if code in (429, 503) else None
    return text(f"<!DOCTYPE html><title>{code}</title>\n", "html", code, retry)


def _flaky(call: Call) -> Reply:
    number = call.site.count(f"flaky {call.request.value('key')}") - call.request.number("after", 0)
    if 1 <= number <= call.request.number("times", 1):
        headers = {"Retry-After": wait} if (wait := call.request.value("wait")) else {}
        return text("not now\n", status=call.request.number("status", 503), headers=headers)
    return _clip(call)[0]


def _chunked(call: Call) -> Reply:
    if call.rest != "clip.mp4":
        raise NotFound
    rate = call.request.number("rate", 0) or None
    return Reply(200, {"Content-Type": TYPES[".mp4"]}, Body(media.read("clip.mp4"), chunked=True, rate=rate))


def _packed(call: Call) -> Reply:
    if call.rest != "clip.mp4":
        raise NotFound
    headers = {"Content-Type": TYPES[".mp4"], "Content-Encoding": "gzip"}
    return Reply(200, headers, Body(media.packed(), rate=call.request.number("rate", 0) or None))


def _endless(call: Call) -> Reply:
    reply = _chunked(call)
    reply.body.endless = True
    return reply


def _short(call: Call) -> Reply:
    reply, first = _clip(call)
    reply.body.rate = call.request.number("rate", 0) or None
    times = call.request.number("times", 0)
    if not times or call.site.count(f"short {call.request.value('key')}") <= times:
        reply.body.cut_at = max(0, call.request.number("at", media.CLIP_BYTES // 2) - first)
        reply.body.cut_by_reset = call.request.value("reset") == "1"
    return reply


def _mutable(call: Call) -> Reply:
    """Each version plays the clip or the other one, and carries its number in a box that players skip."""
    key, _, name = call.rest.partition("/")
    if name != "clip.mp4":
        raise NotFound
    version = call.site.version(key)
    data = media.read("other.mp4" if version % 2 else "clip.mp4")
    data += media.free_box(32, f"version {version}".encode()) if version else b""
    return answer(call.request, File(name, data, version))[0]


def _signed_in(call: Call) -> Reply:
    name = call.rest.partition("/")[0]
    if f"session=secret-of-{name}" not in call.request.headers.get("cookie", ""):
        return text("sign in\n", status=401)
    return _clip(call, under=f"{name}/")[0]


def _page(default: str) -> Callable[[Call], Reply]:
    def reply(call: Call) -> Reply:
        sources = call.request.query.get("src", [default] if default else [])
        return text(page(TITLES[call.request.value("title", "plain")], sources), "html")

    return reply


def _live(_: Call) -> Reply:
    segments = "".join(f"#EXTINF:1.0,\nhls/v360/seg{number:03}.ts\n" for number in range(3))
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:100\n"
    return Reply(200, {"Content-Type": TYPES[".m3u8"]}, Body((head + segments).encode()))


def _embeds(call: Call) -> Reply:
    players = (f'<iframe src="https://www.youtube.com/embed/{at:011}"></iframe>' for at in range(int(call.rest)))
    return text(f"<!DOCTYPE html><title>Embeds</title>{''.join(players)}", "html")


def _variants(call: Call) -> Reply:
    count = int(call.rest.partition("/")[0])
    variants = (f"#EXT-X-STREAM-INF:BANDWIDTH={at}\n../../hls/v360/index.m3u8\n" for at in range(1, count + 1))
    return Reply(200, {"Content-Type": TYPES[".m3u8"]}, Body(f"#EXTM3U\n{''.join(variants)}".encode()))


def _redirect(call: Call) -> Reply:
    location = {"Location": call.request.value("to")}
    return text("elsewhere\n", status=call.request.number("code", 302), headers=location)


ROUTES: dict[str, Callable[[Call], Reply]] = {
    "Mediasite": lambda call: mediasite.page(call.request),
    mediasite.SERVICE: lambda call: mediasite.options(call.rest),
    "hls": _hls,
    "hls-untold": _hls_untold,
    "dash": _dash,
    "codecs": _codecs,
    "page": _page("media/clip.mp4"),
    "page-hls": _page("hls/master.m3u8"),
    "page-empty": _page(""),
    "mutable": _mutable,
    "signed-in": _signed_in,
    "redirect": _redirect,
    "slow": _slow,
    "slow-hls": _paced("hls"),
    "slow-dash": _paced("dash"),
    "gated": _gated,
    "large": _large,
    "gated-hls": _gated_hls,
    "hang": _hang,
    "status": _status,
    "flaky": _flaky,
    "chunked": _chunked,
    "packed": _packed,
    "short": _short,
    "endless": _endless,
    "announced": _announced,
    "disguised": _disguised,
    "tiny": _tiny,
    "hls-missing": _hls_missing,
    "hls-lying": _hls_lying,
    "live.m3u8": _live,
    "embeds": _embeds,
    "variants": _variants,
}
