import subprocess
import sys
from pathlib import Path

import pytest

from support import ffmpeg
from support.origin import media
from support.tree import TESTS


@pytest.mark.parametrize("name", ["clip.mp4", "other.mp4", "clip.webm", "hls/v720/seg003.ts", "hls/audio/seg003.ts"])
def test_holds_what_its_name_says(name: str) -> None:
    expected = {"hls/v720/seg003.ts": ["video"], "hls/audio/seg003.ts": ["audio"]}.get(name, ["audio", "video"])
    assert ffmpeg.kinds(media.folder() / name) == expected


def test_clips_differ_and_have_the_promised_length() -> None:
    assert len(media.read("clip.mp4")) == media.CLIP_BYTES
    assert media.read("clip.mp4") != media.read("other.mp4")
    assert ffmpeg.duration(media.folder() / "clip.mp4") == pytest.approx(media.SECONDS, abs=0.1)
    assert media.read("clip.mp4").index(b"moov") < media.read("clip.mp4").index(b"mdat")


def test_every_rendition_has_the_same_number_of_segments() -> None:
    for rendition in (*(f"v{height}" for height in media.HEIGHTS), "audio"):
        assert len(list((media.folder() / "hls" / rendition).glob("*.ts"))) == media.SEGMENTS


def test_two_processes_that_start_at_once_make_it_once(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from support import ffmpeg
from support.origin import media
ffmpeg.CACHE = Path({str(tmp_path)!r})
print(media.folder())
"""
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=TESTS, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    homes = {process.communicate(timeout=60)[0].strip() for process in started}
    made = [path for path in (tmp_path / "origin-media").iterdir() if path.is_dir()]
    assert homes == {str(made[0])}
    assert len(made) == 1
    assert (made[0] / "dash" / "manifest.mpd").is_file()
