"""Builds the images of a commit reproducibly: the same bytes wherever and whenever it is built."""

import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from vidferry_images import network
from vidferry_images.archive import Image, layers_above_base
from vidferry_images.builders import Builder, BuildSpec
from vidferry_images.sbom import write_sbom

ROOT = Path(__file__).parents[3]
MEMBERS = {"api": "services/api", "worker": "services/worker", "gateway": "services/ws-gateway"}


@dataclass(frozen=True)
class BuiltImage:
    """An image that was built, with its archive and SBOM."""

    name: str
    """tagged with the version"""
    commit_name: str
    """tagged with version and commit"""
    image: Image
    sbom: Path
    size: int
    """bytes of all layers, unpacked"""
    above_base: int

    @property
    def image_id(self) -> str:
        return self.image.image_id


def build_all(builder: Builder, out: Path, *, base: str | None = None) -> list[BuiltImage]:
    """Builds the three images, and writes an archive and an SBOM of each into `out`. Raises BuildFailed."""
    out.mkdir(parents=True, exist_ok=True)
    revision, timestamp = _read_commit()
    images: dict[tuple[str, str], Image] = {}
    with tempfile.TemporaryDirectory(prefix="vidferry-images-") as folder:
        secrets = network.write_secrets(Path(folder))
        for target, member in MEMBERS.items():
            name = f"vidferry-{target}:{member_version(member)}"
            commit_name = f"{name}-{commit_tag(revision)}"
            arguments = {"VERSION": member_version(member), "REVISION": revision} | ({"BASE": base} if base else {})
            builder.build(BuildSpec(target, [name, commit_name], arguments, secrets, timestamp), ROOT)
            archive = out / f"vidferry-{target}.tar"
            builder.save(name, archive)
            images[name, commit_name] = Image(archive)
    return [_describe_built(*names, image, list(images.values())) for names, image in images.items()]


def _describe_built(name: str, commit_name: str, image: Image, all_images: list[Image]) -> BuiltImage:
    sbom = image.path.with_suffix(".cdx.json")
    write_sbom(image, name, sbom)
    return BuiltImage(
        name=name,
        commit_name=commit_name,
        image=image,
        sbom=sbom,
        size=sum(image.size(layer) for layer in image.layers),
        above_base=sum(image.size(layer) for layer in layers_above_base(image, all_images)),
    )


def member_version(member: str) -> str:
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def commit_tag(revision: str) -> str:
    """The end of a tag: twelve digits of the revision, and `-dirty` if files differ from it."""
    commit, dirty, _ = revision.partition("-dirty")
    return commit[:12] + dirty


def _read_commit() -> tuple[str, int]:
    """The revision, with `-dirty` if files differ from it, and its time."""
    try:
        revision, timestamp = _run_git("log", "-1", "--format=%H %ct").split()
    except (OSError, subprocess.CalledProcessError):
        return "unknown", 0
    return revision + ("-dirty" if _run_git("status", "--porcelain") else ""), int(timestamp)


def _run_git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - ours
