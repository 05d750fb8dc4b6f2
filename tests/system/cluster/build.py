"""Builds the test image, and loads all images into the cluster by $CLUSTER_LOAD, which is given an archive's path.

$VIDFERRY_TEST_S3 names the S3 server that the image gets.
"""

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from vidferry_images import builders, network
from vidferry_images.build import MEMBERS, ROOT, member_version

NAME = "vidferry-test"
TAG = "test"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="the image that the services' ones were built on (default: the Dockerfile's)")
    options = parser.parse_args()
    load = os.environ.get("CLUSTER_LOAD")
    if not load:
        sys.exit(
            "How do images get into the cluster? Say by CLUSTER_LOAD which command loads an archive into it, such as\n"
            "CLUSTER_LOAD='kind load image-archive', or push them to a registry and name it by VIDFERRY_TEST_IMAGES."
        )
    server = os.environ.get("VIDFERRY_TEST_S3")
    if not server:
        sys.exit(
            "Which S3 server do the tests run? Say by VIDFERRY_TEST_S3 where versitygw is; `make test-cluster` does."
        )
    shutil.copy(server, ROOT / "build" / "versitygw")
    out = ROOT / "build" / "images"
    try:
        archive = build(builders.find_builder(), out, options.base)
        for path in [*(out / f"vidferry-{target}.tar" for target in MEMBERS), archive]:
            builders.run_command([*shlex.split(load), str(path)])
    except builders.BuildFailed as error:
        sys.exit(str(error))


def build(builder: builders.Builder, out: Path, base: str | None) -> Path:
    arguments = {"WORKER": f"vidferry-worker:{member_version(MEMBERS['worker'])}"} | ({"BASE": base} if base else {})
    command = [builder.name, "build", "--tag", f"{NAME}:{TAG}"]
    if builder.name != "docker":
        command += ["--isolation", "chroot", "--layers", "--ignorefile", str(Path(__file__).parent / IGNORED)]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    with tempfile.TemporaryDirectory(prefix="vidferry-images-") as folder:
        for name, path in network.write_secrets(Path(folder)).items():
            command += ["--secret", f"id={name},src={path}"]
        builders.run_command([*command, "--file", str(Path(__file__).parent / "Dockerfile"), str(ROOT)])
    archive = out / f"{NAME}.tar"
    builder.save(f"{NAME}:{TAG}", archive)
    return archive


IGNORED = "Dockerfile.dockerignore"


if __name__ == "__main__":
    main()
