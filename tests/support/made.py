"""Media that a test makes by ffmpeg for itself, kept in the cache by the command that made it."""

import shutil
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from support import ffmpeg

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10")
AAC = ("-c:a", "aac", "-b:a", "64k")


def picture(size: str = "320x240", seconds: float = 2, rate: int = 10) -> tuple[str, ...]:
    """ffmpeg's words for an input: a moving test picture."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def sound(tone: int = 440, seconds: float = 2) -> tuple[str, ...]:
    """ffmpeg's words for an input: a tone, in Hz."""
    return ("-f", "lavfi", "-i", f"sine=frequency={tone}:duration={seconds}")


@cache
def folder(*words: str) -> Path:
    """The folder in which ffmpeg was run with these words, and what it has written there."""
    recipe = "\0".join([*words, str(ffmpeg.ffmpeg().resolve())])
    home = ffmpeg.CACHE / "made" / sha256(recipe.encode()).hexdigest()[:16]
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=home.parent))
        try:
            ffmpeg.run(*words, cwd=made)
            made.rename(home)
        except OSError:  # another process was quicker
            shutil.rmtree(made)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return home


def file(name: str, *words: str) -> bytes:
    """A file of that name, made by ffmpeg with these words before it."""
    return (folder(*words, name) / name).read_bytes()


def clip(name: str = "clip.mp4", size: str = "320x240", tone: int = 440, seconds: float = 2, *more: str) -> bytes:
    """A short video of H.264 and AAC, or with the encoders and options that more names."""
    return file(name, *picture(size, seconds), *sound(tone, seconds), *(more or (*X264, *AAC)))
