"""A download that takes all the memory its worker's container may have: it ends, and those beside it go on."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.memory_group import ENTERING, memory_group
from support.origin.site import Site
from support.product import Product
from support.services import Worker
from support.tree import TESTS
from vidferry_worker.children.memory_cgroup import MemoryCgroup

pytestmark = [pytest.mark.memory, pytest.mark.xdist_group("life-out-of-memory"), pytest.mark.timeout(300)]

MIB = 1024**2
LIMIT, CHILD_MEMORY = 1000 * MIB, 320 * MIB
SETTINGS = {"child_memory": str(CHILD_MEMORY), "worker_slots": "2", "retries": "1", "retry_delay": "0.1"}
ALL = f"?bytes={LIMIT * 3 // 2}"


@contextmanager
def taken_over(home: Path, *arguments: str, **settings: str) -> Iterator[tuple[Product, MemoryCgroup]]:
    """A worker in a group of its own, some of whose children are hostile, and that group."""
    with ExitStack() as stack:
        folder = stack.enter_context(memory_group(LIMIT))
        product = stack.enter_context(Product(home))
        worker = Worker(product.redis.url, home, {"PYTHONPATH": str(TESTS)}, **{**SETTINGS, **settings})
        procs = str(folder / "cgroup.procs")
        worker.command = [*ENTERING, procs, sys.executable, "-m", "support.taken_over", *arguments]
        product.workers.append(stack.enter_context(worker))
        yield product, MemoryCgroup.of_process(Path("/proc", str(worker.pid)))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Product, MemoryCgroup]]:
    """Its children have no bounds of their own, which the other watch would find passed twice a second."""
    with taken_over(tmp_path_factory.mktemp("watched"), "unbounded") as running:
        yield running


@contextmanager
def bystander(product: Product, site: Site) -> Iterator[None]:
    """An honest download whose middle lies before and after what happens; it completes at its first attempt."""
    job_id = product.post(site.url("/gated/bystander/clip.mp4"))
    product.until(job_id, lambda job: job["progress"] >= 35)
    yield
    site.gate("bystander").open()
    end = product.watch(job_id).last
    assert (end["status"], end["attempt"]) == ("completed", 1)
    product.settle()


@pytest.mark.parametrize("attack", ["memory_at_once", "all_the_memory"])
def test_it_alone_is_ended(attack: str, watched: tuple[Product, MemoryCgroup], site: Site) -> None:
    product, group = watched
    before = group.count_oom_kills()
    with bystander(product, site):
        end = product.watch(product.post(site.url(f"/{attack}{ALL}"))).last

    assert (end["error"]["code"], end["attempt"]) == ("resources_exceeded", 1)
    assert group.count_oom_kills() == before


def test_pages_of_its_files_are_the_kernels_to_take_back(watched: tuple[Product, MemoryCgroup], site: Site) -> None:
    product, group = watched
    before = group.count_oom_kills()
    with bystander(product, site):
        end = product.watch(product.post(site.url(f"/pages_of_a_file{ALL}"))).last

    assert end["error"]["code"] == "internal"  # as of any that ends without a word: it was let end by itself
    assert group.count_oom_kills() == before


def test_one_that_has_no_more_than_it_may_is_tried_again(tmp_path: Path, site: Site) -> None:
    """Its files are memory where the worker's folder is."""
    with ExitStack() as stack:
        in_memory = tempfile.mkdtemp(dir="/dev/shm")
        stack.callback(shutil.rmtree, in_memory)
        product, group = stack.enter_context(taken_over(tmp_path, worker_folder=in_memory))
        with bystander(product, site):
            end = product.watch(product.post(site.url(f"/memory_in_files{ALL}"))).last

    assert (end["error"]["code"], end["attempt"]) == ("out_of_memory", 2)
    assert group.count_oom_kills() == 0


def test_one_that_the_kernel_ends_is_told_as_that(tmp_path: Path, site: Site) -> None:
    with taken_over(tmp_path, "unwatched") as (product, group), bystander(product, site):
        end = product.watch(product.post(site.url(f"/memory_at_once{ALL}"))).last
        kills = group.count_oom_kills()

    assert (end["error"]["code"], end["attempt"]) == ("out_of_memory", 2)
    assert kills >= 2
