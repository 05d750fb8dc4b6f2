"""The same two seconds in newer codecs, each as a file and as HLS and DASH in fragmented MP4 or WebM.

hevc.mp4, av1.webm, vp9.webm                HEVC + AAC; AV1 and VP9 + Opus
hls-<video codec>/master.m3u8               fragmented MP4, sound in a group of its own
dash-<video codec>/manifest.mpd             sound in an adaptation set of its own
"""

from pathlib import Path

from support import ffmpeg

SECONDS = 2
HEVC = "hvc1.1.6.L30.90"
"""What sites call it; ffmpeg's muxers leave it out where it is copied."""
ENCODERS = {
    "hevc": ("mp4", ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=10",
                     "-tag:v", "hvc1", "-c:a", "aac")),
    "av1": ("webm", ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "keyint=10", "-c:a", "libopus")),
    "vp9": ("webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "10", "-c:a", "libopus")),
}  # fmt: skip


def make(home: Path) -> None:
    home.mkdir()
    for codec, (container, encoders) in ENCODERS.items():
        clip = home / f"{codec}.{container}"
        ffmpeg.run(
            "-f", "lavfi", "-i", f"testsrc2=size=160x120:rate=10:duration={SECONDS}",
            "-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}", *encoders, clip,
        )  # fmt: skip
        _hls(clip, home / f"hls-{codec}")
        _dash(clip, home / f"dash-{codec}")


def _hls(clip: Path, home: Path) -> None:
    home.mkdir()
    ffmpeg.run(
        "-i", clip, "-map", "0:v", "-map", "0:a", "-c", "copy", "-strict", "-2", "-f", "hls", "-hls_time", "1",
        "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4", "-var_stream_map",
        "v:0,agroup:sound,name:video a:0,agroup:sound,default:yes,name:audio", "-master_pl_name", "master.m3u8",
        "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", "%v/seg%03d.m4s", "%v/index.m3u8", cwd=home,
    )  # fmt: skip
    _name(home / "master.m3u8", '120,AUDIO="', f'120,CODECS="{HEVC},mp4a.40.2",AUDIO="')


def _dash(clip: Path, home: Path) -> None:
    home.mkdir()
    ffmpeg.run(
        "-i", clip, "-map", "0:v", "-map", "0:a", "-c", "copy", "-strict", "-2", "-f", "dash", "-seg_duration", "1",
        "-use_timeline", "0", "-adaptation_sets", "id=0,streams=v id=1,streams=a", "manifest.mpd", cwd=home,
    )  # fmt: skip
    _name(home / "manifest.mpd", 'codecs=""', f'codecs="{HEVC}"')


def _name(manifest: Path, without: str, named: str) -> None:
    manifest.write_text(manifest.read_text().replace(without, named))
