"""`python -m vidferry_images`: builds the three images and prints their names and sizes."""

import argparse
import sys
from pathlib import Path

from vidferry_images import builders
from vidferry_images.build import ROOT, BuiltImage, build_all

MEGABYTE = 10**6


def main() -> None:
    parser = argparse.ArgumentParser(prog="vidferry_images", description=__doc__)
    parser.add_argument("--base", help="the image to build on (default: the Dockerfile's)")
    parser.add_argument("--builder", choices=builders.NAMES, help="default: the first of these that is installed")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "images", help="where archives and SBOMs go")
    options = parser.parse_args()
    try:
        builder = builders.find_builder(options.builder)
        built = build_all(builder, options.out, base=options.base)
    except builders.BuildFailed as error:
        sys.exit(str(error))
    print(format_table(built))
    print(f"\nNamed by commit, too: {', '.join(one.commit_name for one in built)}")
    print(f"Archives and SBOMs are in {options.out}.")


def format_table(built: list[BuiltImage]) -> str:
    """A table of the images. Sizes are of the unpacked layers; the base is the layers that all three begin with."""
    lines = [f"{'image':<24} {'above base':>12} {'whole':>10}  id"]
    for one in built:
        above, whole = one.above_base / MEGABYTE, one.size / MEGABYTE
        lines.append(f"{one.name:<24} {above:>9.1f} MB {whole:>7.1f} MB  {one.image_id}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
