"""Wrong settings: a sentence says which variable it is and what is right, and never a secret."""

import os
import subprocess
import sys

import pytest

from vidferry_api.settings import ApiSettings
from vidferry_common.settings import Settings, load_settings
from vidferry_gateway.settings import GatewaySettings
from vidferry_local.settings import LocalSettings
from vidferry_worker.settings import WorkerSettings

SECRET = "s3cr3tword"
FOLDER = {"bucket": "file:///tmp/x", "signing_key": "k" * 32}
PROGRAMS = {
    "vidferry_api": ("port", "many"),
    "vidferry_worker": ("worker_slots", "0"),
    "vidferry_gateway": ("gateway_port", "-1"),
    "vidferry_local": ("port", "99999"),
}

SENTENCES: list[tuple[type[Settings], dict[str, str], str]] = [
    (ApiSettings, {"port": "many"}, "VIDFERRY_PORT: must be a whole number from 1 to 65535."),
    (ApiSettings, {"port": "99999"}, "VIDFERRY_PORT: must be a whole number from 1 to 65535."),
    (ApiSettings, {"queue_cap": "1.5"}, "VIDFERRY_QUEUE_CAP: must be a whole number of at least 1."),
    (ApiSettings, {"link_lifetime": "1d"}, "VIDFERRY_LINK_LIFETIME: must be a number above 0, and at most 604800."),
    (ApiSettings, {"link_lifetime": "nan"}, "VIDFERRY_LINK_LIFETIME: must be a number above 0, and at most 604800."),
    (ApiSettings, {"log_format": "xml"}, "VIDFERRY_LOG_FORMAT: must be one of 'json' or 'text'."),
    (ApiSettings, {"bucket": ""}, "VIDFERRY_BUCKET: is required. Where finished videos are stored: `file:///absol"),
    (ApiSettings, {"bucket": "ftp://x"}, "VIDFERRY_BUCKET: must be file:///absolute/path, gs://name or s3://name"),
    (ApiSettings, {"bucket": "s3://x"}, "VIDFERRY_BUCKET: 'x' is no name of an S3 bucket: 3 to 63 small letters,"),
    (ApiSettings, {"signing_key": SECRET}, "VIDFERRY_SIGNING_KEY: must be at least 32 bytes long."),
    (ApiSettings, {"public_url": "https://x:99999"}, "VIDFERRY_PUBLIC_URL: must be an absolute http:// or https://"),
    (ApiSettings, {"public_url": "http://[::1"}, "VIDFERRY_PUBLIC_URL: must be an absolute http:// or https://"),
    (ApiSettings, {"public_url": f"https://me:{SECRET}@x"}, "VIDFERRY_PUBLIC_URL: must not contain a user"),
    (ApiSettings, {"public_url": "https://x/?a"}, "VIDFERRY_PUBLIC_URL: must not have a query (?) or a fragment (#)."),
    (ApiSettings, {"gcs_endpoint": "localhost:4443"}, "VIDFERRY_GCS_ENDPOINT: must be an absolute http:// or https://"),
    (ApiSettings, {"trusted_proxies": "10.0.0.1/8"}, "VIDFERRY_TRUSTED_PROXIES: '10.0.0.1/8' has bits set beyond"),
    (ApiSettings, {"trusted_proxies": "proxy"}, "VIDFERRY_TRUSTED_PROXIES: 'proxy' is not an IP address or a range"),
    (ApiSettings, {"cors_origins": "app.example"}, "VIDFERRY_CORS_ORIGINS: 'app.example' is not an origin. Write"),
    (ApiSettings, {"redis_url": f"redis://:{SECRET}@h"}, "VIDFERRY_REDIS_URL: put the user and the password into"),
    (ApiSettings, {"redis_url": f"redis://h?password={SECRET}"}, "VIDFERRY_REDIS_URL: put the user and the password"),
    (ApiSettings, {"redis_url": "redis://h:port"}, "VIDFERRY_REDIS_URL: must be redis://host:port/db, with a port"),
    (ApiSettings, {"redis_url": "redis://h/name"}, "VIDFERRY_REDIS_URL: must end with the number of the database"),
    (ApiSettings, {"redis_url": "redis://h?retries=3"}, "VIDFERRY_REDIS_URL: has unknown options after the question"),
    (ApiSettings, {"redis_url": "http://h"}, "VIDFERRY_REDIS_URL: must begin with redis://, rediss://, unix://"),
    (GatewaySettings, {"gateway_ping_seconds": "inf"}, "VIDFERRY_GATEWAY_PING_SECONDS: must be a number above 0."),
    (GatewaySettings, {"gateway_pong_seconds": "25"}, "VIDFERRY_GATEWAY_PONG_SECONDS must be less than"),
    (WorkerSettings, {"upload_while_downloading": "perhaps"}, "VIDFERRY_UPLOAD_WHILE_DOWNLOADING: must be true or"),
    (WorkerSettings, {"egress_ports": "80,http"}, "VIDFERRY_EGRESS_PORTS: must be ports from 1 to 65535, separated by"),
    (WorkerSettings, {"egress_allow": "10.0.0.0/33"}, "VIDFERRY_EGRESS_ALLOW: '10.0.0.0/33' is not an IP address or a"),
    (WorkerSettings, {"egress_proxy": f"http://me:{SECRET}@x"}, "VIDFERRY_EGRESS_PROXY: "),
    (WorkerSettings, {"record_days": "0.1"}, "VIDFERRY_RECORD_DAYS must be longer than VIDFERRY_MAX_SECONDS."),
    (LocalSettings, {"admin_port": "65535"}, "VIDFERRY_ADMIN_PORT: must be a whole number from 0 to 65534."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "wrong", "sentence"), SENTENCES)
def test_a_wrong_value(
    kind: type[Settings],
    wrong: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {**FOLDER, **wrong}.items():
        monkeypatch.setenv(f"VIDFERRY_{name.upper()}", value)
    with pytest.raises(SystemExit) as ended:
        load_settings(kind)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(sentence)
    assert said.endswith(".\n")
    assert SECRET not in said
    assert not any(word in said for word in ("Value error", "Input should", "Traceback", "pydantic"))


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {**FOLDER, "port": "x", "queue_cap": "0"}.items():
        monkeypatch.setenv(f"VIDFERRY_{name.upper()}", value)
    with pytest.raises(SystemExit):
        load_settings(ApiSettings)
    assert {line.partition(":")[0] for line in capsys.readouterr().err.splitlines()} == {
        "VIDFERRY_PORT", "VIDFERRY_QUEUE_CAP",
    }  # fmt: skip


def started(program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("VIDFERRY_")}
    told = {"admin_port": "0", "redis_url": "unix:///nowhere", **FOLDER, **settings}
    return subprocess.run(
        [sys.executable, "-m", program],
        env={**env, **{f"VIDFERRY_{name.upper()}": value for name, value in told.items()}},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_ends_with_it(program: str) -> None:
    name, value = PROGRAMS[program]
    done = started(program, **{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"VIDFERRY_{name.upper()}: must be a whole number from ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("program", ["vidferry_api", "vidferry_worker"])
def test_a_folder_needs_a_key(program: str) -> None:
    done = started(program, signing_key="")
    assert (done.returncode, done.stderr) == (
        2, "VIDFERRY_SIGNING_KEY: is required if VIDFERRY_BUCKET is a folder.\n",
    )  # fmt: skip


def test_a_folder_that_can_not_be_used() -> None:
    done = started("vidferry_api", bucket="file:///proc/videos")
    assert done.returncode == 1
    assert done.stderr.startswith("VIDFERRY_BUCKET: ")
    assert "/proc/videos" in done.stderr
    assert "Traceback" not in done.stderr
