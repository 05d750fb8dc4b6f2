"""Builds the images of one commit: the same bytes wherever and whenever it is built."""

import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from vidferry_images import network
from vidferry_images.archive import Image, above
from vidferry_images.builders import Builder, Order
from vidferry_images.sbom import write_sbom

ROOT = Path(__file__).parents[3]
MEMBERS = {"api": "services/api", "worker": "services/worker", "gateway": "services/ws-gateway"}


@dataclass(frozen=True)
class Built:
    name: str
    """with the version as its tag"""
    commit_name: str
    """with a tag of its own for each commit"""
    image: Image
    sbom: Path
    size: int
    """bytes of all layers, unpacked"""
    above_base: int

    @property
    def image_id(self) -> str:
        return self.image.image_id


def build_all(builder: Builder, out: Path, *, base: str | None = None) -> list[Built]:
    """The three images, each also as an archive in `out`, with its SBOM. Raises BuildFailed."""
    out.mkdir(parents=True, exist_ok=True)
    revision, timestamp = _commit()
    images: dict[tuple[str, str], Image] = {}
    with tempfile.TemporaryDirectory(prefix="vidferry-images-") as folder:
        secrets = network.secrets(Path(folder))
        for target, member in MEMBERS.items():
            name = f"vidferry-{target}:{version(member)}"
            commit_name = f"{name}-{commit_tag(revision)}"
            arguments = {"VERSION": version(member), "REVISION": revision} | ({"BASE": base} if base else {})
            builder.build(Order(target, [name, commit_name], arguments, secrets, timestamp), ROOT)
            archive = out / f"vidferry-{target}.tar"
            builder.save(name, archive)
            images[name, commit_name] = Image(archive)
    return [_built(*names, image, list(images.values())) for names, image in images.items()]


def _built(name: str, commit_name: str, image: Image, all_images: list[Image]) -> Built:
    sbom = image.path.with_suffix(".cdx.json")
    write_sbom(image, name, sbom)
    return Built(
        name=name,
        commit_name=commit_name,
        image=image,
        sbom=sbom,
        size=sum(image.size(layer) for layer in image.layers),
        above_base=sum(image.size(layer) for layer in above(image, all_images)),
    )


def version(member: str) -> str:
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def commit_tag(revision: str) -> str:
    """The revision as the end of a tag: twelve digits, still marked where files differ from it."""
    commit, dirty, _ = revision.partition("-dirty")
    return commit[:12] + dirty


def _commit() -> tuple[str, int]:
    """The revision, marked where files differ from it, and its time."""
    try:
        revision, timestamp = _git("log", "-1", "--format=%H %ct").split()
    except (OSError, subprocess.CalledProcessError):
        return "unknown", 0
    return revision + ("-dirty" if _git("status", "--porcelain") else ""), int(timestamp)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - ours
