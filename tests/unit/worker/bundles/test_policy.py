"""What is asked for, and what of the answer is taken."""

import pytest
from pydantic import ValidationError

from vidferry_worker.bundles.policy import BundlePolicy
from vidferry_worker.settings import WorkerSettings

IMAGE = "2026.10.26"


@pytest.mark.parametrize(
    ("wanted", "requirement", "prereleases"),
    [
        ("stable", "yt-dlp", False),
        ("Nightly", "yt-dlp", True),
        ("2026.08.01", "yt-dlp==2026.8.1", False),
        ("2026.10.26.220202.dev0", "yt-dlp==2026.10.26.220202.dev0", True),
    ],
)
def test_what_pip_is_asked_for(wanted: str, requirement: str, prereleases: bool) -> None:
    policy = BundlePolicy.parse(wanted)
    assert policy.is_on
    assert (policy.requirement, policy.takes_prereleases) == (requirement, prereleases)


def test_the_image_s_asks_nothing() -> None:
    assert not BundlePolicy.parse("image").is_on


@pytest.mark.parametrize(
    ("wanted", "version", "current", "taken"),
    [
        ("stable", "2026.11.1", "", True),
        ("stable", IMAGE, "", False),
        ("stable", "2026.9.1", "", False),  # an index that is behind
        ("stable", "2026.11.1", "2026.11.1", False),
        ("stable", "2026.11.1", "2026.12.1", True),  # after nightly builds
        ("2026.9.1", "2026.9.1", "", True),
        ("2026.9.1", "2026.9.1", "2026.9.1", False),
        (IMAGE, IMAGE, "", False),
        (IMAGE, IMAGE, "2026.11.1", True),  # the operator wants to leave that one
        ("stable", IMAGE, "2026.11.1", False),
    ],
)
def test_what_is_taken(wanted: str, version: str, current: str, taken: bool) -> None:
    assert BundlePolicy.parse(wanted).is_new(version, IMAGE, current) is taken


@pytest.mark.parametrize(
    ("wanted", "version", "runs"),
    [
        ("stable", "2026.11.1", True),
        ("stable", "2026.9.1", False),  # it was published before this image was made
        ("nightly", "2026.10.26.220202.dev0", True),
        ("stable", "2026.12.1", False),  # it is held
        ("2026.9.1", "2026.9.1", True),
        ("2026.9.1", "2026.11.1", True),  # until the wanted one is published
        (IMAGE, "2026.11.1", False),
    ],
)
def test_what_a_worker_runs_of_what_is_published(wanted: str, version: str, runs: bool) -> None:
    assert BundlePolicy.parse(wanted, ("2026.12.1",)).suits(version, IMAGE) is runs


@pytest.mark.parametrize("told", [{"ytdlp": "newest"}, {"ytdlp": "--pre"}, {"ytdlp_hold": "x"}, {"ytdlp_interval": 1}])
def test_settings_that_are_refused(told: dict[str, str]) -> None:
    needed = {"redis_url": "redis://127.0.0.1", "bucket": "file:///tmp/bucket", "signing_key": "k" * 32}
    with pytest.raises(ValidationError, match=next(iter(told))):
        WorkerSettings.model_validate({**needed, **told})


def test_held_versions() -> None:
    needed = {"redis_url": "redis://127.0.0.1", "bucket": "file:///tmp/bucket", "signing_key": "k" * 32}
    settings = WorkerSettings.model_validate({**needed, "ytdlp": "STABLE", "ytdlp_hold": "2026.01.02, 2026.3.4"})
    assert BundlePolicy.parse(settings.ytdlp, settings.ytdlp_hold) == BundlePolicy(
        "stable", frozenset({"2026.1.2", "2026.3.4"})
    )
