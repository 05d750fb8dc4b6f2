"""The media an origin serves, made once by real ffmpeg and kept in the cache.

clip.mp4    H.264 + AAC, fast start, exactly CLIP_BYTES long
other.mp4   the same kind, other content
tiny.mp4    a second of H.264, no sound
clip.webm   VP9 + Opus
thumb.jpg
hls/        master.m3u8; v360/, v720/ (H.264) and audio/ (AAC), each index.m3u8 and seg000.ts …
codecs/     newer ones: codecs.py
dash/       manifest.mpd; two heights of video and one audio, init-N.m4s and chunk-N-00001.m4s …
"""

import fcntl
import gzip
import random
import shutil
import struct
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from support import ffmpeg
from support.origin import codecs

SECONDS = 6
SEGMENTS = 6
HEIGHTS = (360, 720)
# Well above what two socket buffers hold, so that a client that closes at the headers is told from one that read on;
# half of it lies just above 1 MiB, where yt-dlp's doubling reads (1 KiB, 2 KiB, … 512 KiB) have all been filled.
CLIP_BYTES = 2 * 1024 * 1024 + 64 * 1024

_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@cache
def folder() -> Path:
    """The media; made first where this recipe's aren't there yet (2 to 4 s)."""
    home = ffmpeg.CACHE / "origin-media" / _recipe()
    if home.is_dir():  # in a container's image nothing may be written beside it
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second of two test processes waits, and finds all made
        if not home.is_dir():
            made = Path(tempfile.mkdtemp(dir=home.parent))
            try:
                _make(made)
                made.rename(home)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
    return home


@cache
def read(name: str) -> bytes:
    return (folder() / name).read_bytes()


@cache
def packed() -> bytes:
    """The clip, with twice its size behind it that gzip makes half of."""
    padding = random.Random(0).randbytes(CLIP_BYTES).hex().encode()
    return gzip.compress(read("clip.mp4") + free_box(len(padding) + 8, padding), compresslevel=1, mtime=0)


@cache
def large(mib: int, version: int = 0, index_mib: int = 0) -> bytes:
    """So many MiB: the clip, and boxes that players skip. Versions play alike, and differ in these boxes.

    With index_mib the index ends there; its place is kept, so that what it says of the rest stays true.
    """
    clip, index, noise = read("clip.mp4"), b"", random.Random(version)
    if index_mib:
        start, index = _box(clip, b"moov")
        clip = clip[:start] + free_box(len(index)) + clip[start + len(index) :]
        clip += _noise_box(index_mib * 1024**2 - len(clip) - len(index), noise) + index
    rest = mib * 1024**2 - len(clip)
    return clip + (_noise_box(rest, noise) if rest else b"")


def _noise_box(size: int, noise: random.Random) -> bytes:
    return free_box(size, noise.randbytes(size - 8))


def _box(data: bytes, kind: bytes) -> tuple[int, bytes]:
    """Where the first box of that kind on the highest level starts, and all of it."""
    at = 0
    while data[at + 4 : at + 8] != kind:
        at += int.from_bytes(data[at : at + 4])
    return at, data[at : at + int.from_bytes(data[at : at + 4])]


def free_box(size: int, content: bytes = b"") -> bytes:
    """An MP4 box players skip, `size` bytes with its header: content may differ while the video is the same."""
    return free_box_head(size) + content.ljust(size - 8, b"\0")


def free_box_head(size: int) -> bytes:
    """The header alone."""
    return struct.pack(">I4s", size, b"free")


def _recipe() -> str:
    """These modules' texts are the recipe; another ffmpeg may make other media of it."""
    texts = Path(__file__).read_bytes() + Path(codecs.__file__).read_bytes()
    return sha256(texts + bytes(ffmpeg.ffmpeg().resolve())).hexdigest()[:16]


def _make(home: Path) -> None:
    _clip(home / "clip.mp4", hue=0, tone=440, bits=2_000_000)
    _pad(home / "clip.mp4", CLIP_BYTES)
    _clip(home / "other.mp4", hue=120, tone=660, bits=2_400_000)
    _tiny(home / "tiny.mp4")
    _webm(home / "clip.webm")
    ffmpeg.run(*_picture(320, 240, 1), "-frames:v", "1", "-c:v", "mjpeg", home / "thumb.jpg")
    _hls(home / "hls")
    _dash(home / "dash")
    codecs.make(home / "codecs")


def _picture(width: int, height: int, rate: int) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={rate}:duration={SECONDS}")


def _sound(tone: int, seconds: float = SECONDS) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=frequency={tone}:duration={seconds}")


def _clip(path: Path, *, hue: int, tone: int, bits: int) -> None:
    """Noise makes a small picture hard to compress: the size comes from it, not from encoding time."""
    ffmpeg.run(
        *_picture(320, 240, 25), *_sound(tone), "-vf", f"hue=h={hue},noise=alls=40:allf=t:all_seed=1",
        *_X264, "-b:v", str(bits), "-maxrate", str(bits), "-bufsize", str(bits),
        "-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart", path,
    )  # fmt: skip


def _pad(path: Path, size: int) -> None:
    missing = size - path.stat().st_size
    if missing < 8:
        raise RuntimeError(f"{path.name} is {-missing} bytes too large to be padded: lower its bit rate")
    with path.open("ab") as file:
        file.write(free_box(missing))


def _tiny(path: Path) -> None:
    ffmpeg.run(*_picture(64, 64, 5), "-t", "1", *_X264, "-movflags", "+faststart", path)


def _webm(path: Path) -> None:
    ffmpeg.run(
        *_picture(320, 240, 10), *_sound(440), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8",
        "-b:v", "200k", "-c:a", "libopus", "-b:a", "32k", path,
    )  # fmt: skip


def _ladder() -> tuple[str, ...]:
    """Inputs, maps and encoders of both heights and one sound; a key frame each second, where segments are cut.

    The sound ends a little earlier: its encoder's delay would make a seventh segment of a few milliseconds.
    """
    low, high = HEIGHTS
    return (
        *_picture(1280, 720, 10), *_sound(440, SECONDS - 0.1),
        "-filter_complex", f"[0:v]split[a][b];[a]scale=-2:{low}[low];[b]scale=-2:{high}[high]",
        "-map", "[low]", "-map", "[high]", "-map", "1:a", *_X264, "-g", "10", "-keyint_min", "10",
        "-b:v:0", "400k", "-maxrate:v:0", "400k", "-bufsize:v:0", "400k",
        "-b:v:1", "1200k", "-maxrate:v:1", "1200k", "-bufsize:v:1", "1200k", "-c:a", "aac", "-b:a", "64k",
    )  # fmt: skip


def _hls(home: Path) -> None:
    home.mkdir()
    low, high = HEIGHTS
    videos = f"v:0,agroup:sound,name:v{low} v:1,agroup:sound,name:v{high}"
    streams = f"{videos} a:0,agroup:sound,default:yes,language:en,name:audio"
    ffmpeg.run(
        *_ladder(), "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-var_stream_map", streams,
        "-master_pl_name", "master.m3u8", "-hls_segment_filename", "%v/seg%03d.ts", "%v/index.m3u8", cwd=home,
    )  # fmt: skip


def _dash(home: Path) -> None:
    home.mkdir()
    ffmpeg.run(
        *_ladder(), "-f", "dash", "-seg_duration", "1", "-use_template", "1", "-use_timeline", "0",
        "-adaptation_sets", "id=0,streams=v id=1,streams=a", "-init_seg_name", "init-$RepresentationID$.m4s",
        "-media_seg_name", "chunk-$RepresentationID$-$Number%05d$.m4s", "manifest.mpd", cwd=home,
    )  # fmt: skip
