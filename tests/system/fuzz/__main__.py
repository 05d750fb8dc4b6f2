"""Looks for what breaks the product's edges, by chance, from a seed: `--seed` repeats a run, `--only` runs one target.

The time is shared out among the targets. Of what fails, the smallest example is printed.
"""

import argparse
import logging
import secrets
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from system.fuzz import events, frames, heads, looks, manifests, requests_of_children, texts
from system.fuzz.target import Check, Target

TARGETS: dict[str, Target] = {
    "texts": texts.TARGET,
    "broker": requests_of_children.TARGET,
    "manifests": manifests.TARGET,
    "events": events.TARGET,
    "looks": looks.TARGET,
    "heads": heads.TARGET,
    "frames": frames.TARGET,
}


def hunt(target: Target, seed: int, seconds: float) -> int:
    """How many examples were tried; raises what the smallest one that fails raised."""
    tried = 0
    with target.open() as check:
        deadline = time.monotonic() + seconds
        for number in range(sys.maxsize):
            if time.monotonic() >= deadline:
                break
            tried += _one_round(target, check, seed + number)
    return tried


def _one_round(target: Target, check: Check, seed: int) -> int:
    tried = 0
    failing: object = None

    # Nothing depends on how fast an example is, and nothing is kept: a seed tells all.
    @seeded(seed)
    @settings(
        max_examples=target.round_size, deadline=None, database=None, verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @given(target.examples)
    def run(example: object) -> None:
        nonlocal tried, failing
        tried += 1
        try:
            check(example)
        except Exception:
            failing = example
            raise

    try:
        run()
    except Exception:  # the last one that failed is the smallest
        print("Smallest example:", target.show(failing), flush=True)
        raise
    return tried


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--only", choices=TARGETS, action="append")
    told = parser.parse_args()
    logging.disable()
    print(f"seed {told.seed}, {told.seconds:.0f} s", flush=True)
    names, failed = told.only or list(TARGETS), []
    for name in names:
        begun = time.monotonic()
        try:
            tried = hunt(TARGETS[name], told.seed, told.seconds / len(names))
        except Exception:  # noqa: BLE001 - whatever an example brings out; its traceback names the example
            traceback.print_exc()
            failed.append(name)
        else:
            print(f"{name}: {tried} examples in {time.monotonic() - begun:.0f} s", flush=True)
    if failed:
        sys.exit(f'Broken: {", ".join(failed)}. Again by FUZZ_ARGS="--seed {told.seed} --only {failed[0]}"')


if __name__ == "__main__":
    main()
