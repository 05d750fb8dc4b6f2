"""Who may use a release, changed while it runs: API keys, the keys of tickets, and tokens of an issuer."""

import json
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from system.cluster import kube, ticket_keys
from system.cluster.around import ORIGIN, OUTSIDE, secret, served
from system.cluster.client import NO_TICKET, Client
from system.cluster.conftest import Installed
from system.cluster.events import restarts
from system.cluster.keys import CLIENTS, SCOPES, entry, first_key, new_key
from system.cluster.load import address
from system.cluster.probes import connects
from system.cluster.release import pod, pods, settled
from system.cluster.settings import AROUND, NAMESPACE, RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
SYNC_SECONDS = 95
"""The kubelet looks at a pod's Secrets every 60 to 90 s by its defaults, and the api at its file every second."""
HINTED_SECONDS = 15
"""the same where the pods are annotated, at which the kubelet looks at once"""
FETCH_SECONDS = 20
"""The api asks an issuer for its keys at most every 10 s."""
ISSUER_PORT = 8002
ISSUER = f"http://issuer.{AROUND}.svc.cluster.local:{ISSUER_PORT}"
AUDIENCE = "vidferry"
UNKNOWN_JOB = "/api/jobs/00000000-0000-4000-8000-000000000000"
"""what a key that is accepted gets 404 for, and one that isn't 401"""


def status(client: Client) -> int:
    return client.request("GET", UNKNOWN_JOB).status_code


def until_answered(client: Client, wanted: int, seconds: float) -> float:
    """Seconds until the api answers so; AssertionError if it takes longer than that."""
    begun = time.monotonic()
    kube.until_nothing(lambda: [found] if (found := status(client)) != wanted else [], seconds)
    return time.monotonic() - begun


def api_pods() -> list[tuple[str, int]]:
    """The pods that there are and how often each was started again."""
    return [(one["metadata"]["uid"], restarts(one)) for one in pods("api")]


def test_a_key_is_added_and_removed_without_a_restart(installed: Installed) -> None:
    release, key = installed.release, new_key()
    release.present()
    before, first = api_pods(), first_key()
    with closing(Client(installed.certificate, key=key)) as client:
        client.routed()
        assert status(client) == 401
        release.upgrade({"access": {"keys": [CLIENTS, entry("ci", key, "team-a")]}})
        added = until_answered(client, 404, SYNC_SECONDS)
        assert client.run(f"{ORIGIN}/u/added/media/clip.mp4").data[-1]["status"] == "completed"
        release.upgrade({"access": {"keys": [CLIENTS]}})
        selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=api"
        kube.kubectl("-n", NAMESPACE, "annotate", "pods", "-l", selector, "--overwrite", f"keys-changed={time.time()}")
        removed = until_answered(client, 401, HINTED_SECONDS)
    print(f"\na key: accepted {added:.0f} s after it was added, refused {removed:.0f} s after it was removed and the "
          "pods were annotated")  # fmt: skip
    assert api_pods() == before
    assert first_key() == first


def test_a_secret_of_ones_own_holds_the_keys(installed: Installed) -> None:
    """A file that can't be used changes nothing, and the next one that can be used does."""
    key, other = new_key(), new_key()
    installed.release.present()
    kube.apply(keys_secret(key))
    installed.release.upgrade({"access": {"keys": [], "existingSecret": "own-keys"}})
    with (
        closing(Client(installed.certificate, key=key)) as client,
        closing(Client(installed.certificate, key=other)) as second,
    ):
        client.routed()
        until_answered(client, 404, HINTED_SECONDS)
        until_answered(installed.client, 401, HINTED_SECONDS)  # the pods before answer until they are gone
        before = api_pods()
        kube.apply(secret(NAMESPACE, "own-keys", {"keys.toml": b"[[keys]\n"}))
        kube.until_nothing(lambda: [] if "keys file can't be used" in api_log() else ["not logged"], SYNC_SECONDS)
        assert (status(client), status(second)) == (404, 401)
        kube.apply(keys_secret(key, other))
        until_answered(second, 404, SYNC_SECONDS)
    assert api_pods() == before
    assert key not in api_log()
    kube.kubectl("-n", NAMESPACE, "delete", "secret", "own-keys")


def keys_secret(*keys: str) -> dict[str, Any]:
    lines = []
    for number, key in enumerate(keys):
        # The texts and lists of JSON are TOML's too.
        fields = entry(f"own-{number}", key, "team-b").items()
        lines += ["[[keys]]", *(f"{name} = {json.dumps(value)}" for name, value in fields)]
    text = "\n".join(lines)
    return secret(NAMESPACE, "own-keys", {"keys.toml": text.encode()})


def api_log() -> str:
    return kube.kubectl("-n", NAMESPACE, "logs", f"deployment/{RELEASE}-api")


def test_the_keys_of_tickets_are_rotated(installed: Installed) -> None:
    """Tickets outlive the first two steps, and end with the third."""
    client = installed.client
    installed.release.present()
    client.routed()
    job = client.post(f"{ORIGIN}/u/rotated/media/clip.mp4")
    assert client.watch(job).close_code == 1000
    new = ticket_keys.rotate_ahead()
    client.routed()
    fresh = client.job(job)
    assert fresh["ws_url"] != job["ws_url"]
    assert {client.watch(each).close_code for each in (job, fresh)} == {1000}
    ticket_keys.replace(new)
    client.routed()
    assert (client.watch(job).close_code, client.watch(fresh).close_code) == (NO_TICKET, 1000)
    assert b64decode(kube.get(NAMESPACE, "secret", ticket_keys.SECRET)["data"][ticket_keys.KEY]).decode() == new
    installed.release.upgrade({"log": {"level": "info"}})
    assert client.watch(client.job(job)).close_code == 1000  # the upgrade has kept the new key


@contextmanager
def issuer() -> Iterator[None]:
    kube.apply(*served("issuer", ISSUER_PORT, [OUTSIDE, "issuer", "--address", ISSUER]))
    try:
        kube.kubectl("-n", AROUND, "wait", "--for=condition=Ready", "pod/issuer", "--timeout=90s")
        yield
    finally:
        kube.kubectl("-n", AROUND, "delete", "pod/issuer", "service/issuer", "--wait=false")


def ask_issuer(path: str, **claims: object) -> dict[str, Any]:
    body = json.dumps(claims)
    program = (
        "import urllib.request as r\n"
        f"print(r.urlopen(r.Request('http://127.0.0.1:{ISSUER_PORT}{path}', {body!r}.encode())).read().decode())"
    )
    return dict(json.loads(kube.python(AROUND, "issuer", program)))


def token(user: str, **claims: object) -> str:
    return str(ask_issuer("/token", **{"sub": user, "aud": AUDIENCE, "scope": " ".join(SCOPES), **claims})["token"])


def test_tokens_of_an_issuer_in_the_cluster(installed: Installed) -> None:
    release, url = installed.release, f"{ORIGIN}/u/tokens/media/clip.mp4"
    release.present()
    labels = {"matchLabels": {"kubernetes.io/metadata.name": AROUND}}
    peer = {"namespaceSelector": labels, "podSelector": {"matchLabels": {"app": "issuer"}}}
    with issuer(), ExitStack() as stack:

        def client(user: str, **claims: object) -> Client:
            return stack.enter_context(closing(Client(installed.certificate, key=token(user, **claims))))

        release.upgrade(
            {
                "access": {"mode": "oidc", "oidc": {"issuer": ISSUER, "audience": AUDIENCE}},
                "networkPolicy": {"issuer": {"peers": [peer], "ports": [ISSUER_PORT]}},
            }
        )
        settled("api")
        alice, bob = client("alice"), client("bob")
        alice.routed()
        until_answered(alice, 404, FETCH_SECONDS)
        job = alice.post(url)
        assert alice.watch(job).data[-1]["status"] == "completed"
        assert bob.request("GET", f"/api/jobs/{job['job_id']}").status_code == 404
        assert status(installed.client) == 404  # keys are accepted too
        for refused in ({"aud": "another"}, {"exp": int(time.time()) - 3600}, {"iss": "http://another.example"}):
            assert status(client("alice", **refused)) == 401, refused
        may_read = client("alice", scope="openid jobs:read")
        assert may_read.request("POST", "/api/download", json={"url": url}).status_code == 403

        ask_issuer("/rotate")
        rotated = client("alice")
        seconds = until_answered(rotated, 404, FETCH_SECONDS)
        assert rotated.job(job)["status"] == "completed"
        assert status(alice) == 401  # its key was withdrawn
        print(f"\nOIDC: a token of the issuer's next key was accepted {seconds:.1f} s after the rotation")

        target = {"issuer": f"{kube.get(AROUND, 'pod', 'issuer')['status']['podIP']}:{ISSUER_PORT}"}
        reached = {name: connects(NAMESPACE, pod(name), target)["issuer"] for name in ("api", "gateway", "worker")}
        assert reached == {"api": True, "gateway": False, "worker": False}


def test_without_the_issuer_keys_still_work(installed: Installed) -> None:
    release = installed.release
    release.present()
    release.upgrade(
        {
            "access": {"mode": "oidc", "oidc": {"issuer": ISSUER, "audience": AUDIENCE}},
            "networkPolicy": {"issuer": {"ports": [ISSUER_PORT]}},
        }
    )
    settled("api")
    installed.client.routed()
    assert installed.client.run(address()).data[-1]["status"] == "completed"
