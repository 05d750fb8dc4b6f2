"""kubectl and helm against the cluster that KUBECONFIG names, and waiting: by watching, or where no watch tells of it
by asking again at a pace, to a deadline."""

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import kubernetes

WAIT_SECONDS = 180
"""for pods on a busy machine"""


ASK_AGAIN_SECONDS = 0.5


class CommandFailed(AssertionError):
    """What a command wrote."""


def run(name: str, *arguments: str, text: str | None = None, timeout: float = 2 * WAIT_SECONDS) -> str:
    """The output of helm or kubectl; CommandFailed where it fails."""
    with tempfile.TemporaryDirectory(prefix="vidferry-cluster-") as home:
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "KUBECONFIG"}}
        done = subprocess.run(
            [kubernetes.program(name), *arguments],
            env={**kept, "HOME": home},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    if done.returncode:
        raise CommandFailed(f"{name} {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*arguments: str, text: str | None = None, timeout: float = 2 * WAIT_SECONDS) -> str:
    return run("kubectl", *arguments, text=text, timeout=timeout)


def apply(*objects: Mapping[str, Any]) -> None:
    kubectl("apply", "-f", "-", text="\n---\n".join(json.dumps(one) for one in objects))


def patch(namespace: str, kind: str, name: str, change: Mapping[str, Any]) -> None:
    """Merges the change into an object, whoever manages it."""
    kubectl("-n", namespace, "patch", kind, name, "--type=merge", "--patch", json.dumps(change))


def get(namespace: str, *what: str) -> Any:
    """An object, or a list's items."""
    found = json.loads(kubectl("-n", namespace, "get", *what, "-o", "json"))
    return found["items"] if found["kind"].endswith("List") else found


def everything(namespace: str) -> set[str]:
    """The names of all objects in a namespace, but events and what metrics-server makes up."""
    kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    wanted = [kind for kind in kinds if not kind.startswith(("events", "pods.metrics"))]
    return set(kubectl("-n", namespace, "get", ",".join(wanted), "-o", "name").split())


def known(kind: str) -> bool:
    """Whether the cluster has a kind, such as scaledobjects.keda.sh."""
    return kind in kubectl("get", "customresourcedefinitions", "-o", "name")


@contextmanager
def watching(namespace: str, *what: str, seconds: float = WAIT_SECONDS) -> Iterator[Iterator[dict[str, Any]]]:
    """The states of an object, the present one first, as the API server tells of each; they end after so long."""
    command: list[str | Path] = [kubernetes.program("kubectl"), "-n", namespace, "get", *what, "--watch", "-o", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    end = threading.Timer(seconds, process.terminate)
    end.start()
    try:
        yield _documents(process.stdout)
    finally:
        end.cancel()
        process.terminate()
        process.wait(10)


def until(namespace: str, *what: str, holds: Callable[[dict[str, Any]], bool], seconds: float = WAIT_SECONDS) -> Any:
    """The first state of an object for which it holds."""
    last = None
    with watching(namespace, *what, seconds=seconds) as states:
        for last in states:
            if holds(last):
                return last
    raise AssertionError(f"{' '.join(what)} has not come to it in {seconds:.0f} s: {json.dumps(last)}")


def until_nothing(left: Callable[[], Sized], seconds: float = WAIT_SECONDS) -> None:
    """Returns when nothing is left."""
    deadline = time.monotonic() + seconds
    while found := left():
        assert time.monotonic() < deadline, f"left after {seconds:.0f} s: {found}"
        time.sleep(ASK_AGAIN_SECONDS)


def python(namespace: str, pod: str, program: str, timeout: float = 60) -> str:
    """What a Python program prints that is run in a pod's container."""
    return kubectl("-n", namespace, "exec", pod, "--", "python", "-c", program, timeout=timeout)


def _documents(stream: Any) -> Iterator[dict[str, Any]]:
    """kubectl writes indented objects one after the other."""
    lines: list[str] = []
    with stream:
        for line in stream:
            lines.append(line)
            if line.startswith("}"):
                yield json.loads("".join(lines))
                lines.clear()
