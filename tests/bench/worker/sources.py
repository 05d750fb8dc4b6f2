"""What the origin of the measures serves: real media, made for each run."""

from pathlib import Path

from support import ffmpeg
from support.origin import media

MIB = 1024**2
MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="DURATION">
<Period>
<AdaptationSet contentType="video" mimeType="video/mp4"><Representation id="v" bandwidth="2000000" codecs="avc1.64001f"
width="640" height="360"><BaseURL>video.mp4</BaseURL><SegmentBase/></Representation></AdaptationSet>
<AdaptationSet contentType="audio" mimeType="audio/mp4"><Representation id="a" bandwidth="128000" codecs="mp4a.40.2">
<BaseURL>audio.m4a</BaseURL><SegmentBase/></Representation></AdaptationSet>
</Period>
</MPD>
"""
PAGE = """<!DOCTYPE html><html><head><title>A page</title></head><body><h1>A page</h1>
<video controls><source src="clip.mp4" type="video/mp4"></video></body></html>
"""
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1200000,CODECS="avc1.42c00d,mp4a.40.2",RESOLUTION=320x240
index.m3u8
"""


def clip(folder: Path, name: str, size: int) -> None:
    """A short video that is so many bytes long, by a box that players skip; on disk it takes their room."""
    data = media.read("clip.mp4")
    block = b"\x5a" * MIB
    with (folder / name).open("wb") as file:
        file.write(data + media.free_box_head(size - len(data)))
        while (left := size - file.tell()) > 0:  # bytes, so that no file system makes a hole of them
            file.write(block[:left])


def streams(folder: Path, size: int) -> None:
    """video.mp4 and audio.m4a, together about so many bytes, and manifest.mpd that names both."""
    seed = folder / "seed.mp4"
    ffmpeg.run(
        "-f", "lavfi", "-i", "nullsrc=size=640x360:rate=25:duration=8,geq=random(1)*255:128:128",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=8", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "24",
        "-c:a", "aac", "-b:a", "128k", seed,
    )  # fmt: skip
    rounds = str(max(1, size // seed.stat().st_size))
    for kind, name in (("v", "video.mp4"), ("a", "audio.m4a")):
        ffmpeg.run("-stream_loop", rounds, "-i", seed, "-map", f"0:{kind}", "-c", "copy", folder / name)
    seconds = min(ffmpeg.duration(folder / name) for name in ("video.mp4", "audio.m4a"))
    (folder / "manifest.mpd").write_text(MANIFEST.replace("DURATION", f"PT{seconds}S"))
    seed.unlink()


def page(folder: Path) -> None:
    """page.html with the player of clip.mp4."""
    clip(folder, "clip.mp4", 5 * MIB)
    (folder / "page.html").write_text(PAGE)


def master(folder: Path) -> None:
    """master.m3u8 of one variant, with ten segments."""
    _cut(folder, 10)
    (folder / "master.m3u8").write_text(MASTER)


def segments(folder: Path, count: int) -> None:
    """hls/index.m3u8 with so many segments."""
    (folder / "hls").mkdir()
    _cut(folder / "hls", count)


def _cut(folder: Path, count: int) -> None:
    """index.m3u8 with so many segments of a second, of a stream of 1 Mbit/s."""
    seed = folder / "seed.mp4"
    ffmpeg.run(
        "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=10", "-f", "lavfi",
        "-i", "sine=frequency=440:duration=10", "-vf", "noise=alls=40:allf=t", "-c:v", "libx264", "-preset",
        "ultrafast", "-g", "10", "-keyint_min", "10", "-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M", "-c:a", "aac",
        seed,
    )  # fmt: skip
    ffmpeg.run(
        "-stream_loop", str(count // 10), "-i", seed, "-t", str(count), "-c", "copy", "-f", "hls", "-hls_time", "1",
        "-hls_playlist_type", "vod", "-hls_segment_filename", "seg%03d.ts", "index.m3u8", cwd=folder,
    )  # fmt: skip
    seed.unlink()
