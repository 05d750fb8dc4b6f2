"""What the operator's sites file says of a site holds for all that is asked of that site, and for no other."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.answers import accepted
from support.children import environment, program
from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import Reply, text
from support.outbound_proxy import OutboundProxy
from support.product import Product, wait_until

PASSWORD = "kept-for-the-proxy-4711"
AGENT = "Vidferry-Test/1.0 (of the sites file)"


class Service:
    """Vidferry with a sites file."""

    def __init__(self, product: Product, file: Path) -> None:
        self.product, self._file = product, file

    def put(self, text: str) -> None:
        """Replaces the file as a mounted Secret does, and waits until the worker has read it."""
        count = len(self.product.worker.logged("read the sites file"))
        new = self._file.with_name("new")
        new.write_text(text)
        new.rename(self._file)
        self.product.worker.wait_for("read the sites file", count + 1)

    def download(self, url: str, status: str = "completed") -> dict[str, object]:
        job = self.product.until(self.product.post(url), lambda job: job["status"] in {"completed", "failed"})
        assert job["status"] == status, job
        return job

    def probe(self, url: str) -> None:
        self._complete("/api/probes?wait=0", url=url)

    def batch(self, playlist: str) -> None:
        self._complete("/api/batches", playlist=playlist)

    def _complete(self, path: str, **fields: str) -> None:
        asked = accepted(self.product.client.post(path, json=fields))
        job = self.product.until(asked["job_id"], lambda job: job["status"] in {"completed", "failed"})
        assert job["status"] == "completed", job


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    file = home / "sites.toml"
    file.write_text("")
    worker = {"sites_file": str(file), "fragments": "1"}
    with Product(home, worker, gateways=0, admin=True) as product:
        yield Service(product, file)


@pytest.fixture(scope="module")
def second_origin() -> Iterator[Origin]:
    with Origin(host="127.0.0.2") as server:
        yield server


@pytest.fixture
def other(second_origin: Origin) -> Site:
    """A corner of another site."""
    return second_origin.site()


def page(*videos: str, poster: str = "") -> Reply:
    return text(
        "<title>A page</title>" + "".join(f"<video poster='{poster}' src='{src}'></video>" for src in videos), "html"
    )


def feed(*links: str) -> Reply:
    items = "".join(f"<item><title>V</title><link>{link}</link></item>" for link in links)
    return text(f"<rss version='2.0'><channel><title>F</title>{items}</channel></rss>", "application/rss+xml")


def agents(site: Site) -> set[str]:
    asked = site.requests()
    assert asked
    return {each.headers["user-agent"] for each in asked}


def test_a_user_agent_is_named_in_every_request(service: Service, site: Site, other: Site) -> None:
    """Of pages, lists of segments, segments, pictures and sizes; by probes and playlists too."""
    service.put(f'["127.0.0.1"]\nuser_agent = "{AGENT}"')
    hls = site.put("/page", page("hls/master.m3u8", poster="poster.jpg"))
    service.probe(hls)
    service.download(hls)
    service.download(site.url("/media/clip.mp4"))
    service.probe(site.put("/sized", page("media/clip.mp4?sized")))
    service.batch(site.put("/feed.xml", feed(site.url("/media/clip.mp4?listed"))))
    service.download(other.url("/media/clip.mp4"))

    asked = site.requests()
    assert agents(site) == {AGENT}
    assert {"GET", "HEAD"} <= {each.method for each in asked}
    for kind in ("/page", "/hls/master.m3u8", ".ts", ".jpg", "/feed.xml", "/media/clip.mp4"):
        assert any(each.path.endswith(kind) for each in asked), kind
    (others,) = agents(other)
    assert others.startswith("Mozilla/5.0")


def test_a_user_agent_goes_with_the_page_to_its_media(service: Service, site: Site, other: Site) -> None:
    service.put(f'["127.0.0.1"]\nuser_agent = "{AGENT}"')
    service.download(site.put("/page", page(other.url("/media/clip.mp4"))))
    assert agents(other) == {AGENT}


def test_a_browser_is_impersonated_in_every_request(service: Service, site: Site, other: Site) -> None:
    service.put('["127.0.0.1"]\nimpersonate = "chrome"')
    service.probe(site.put("/page", page("hls/master.m3u8", poster="poster.jpg")))
    service.download(site.url("/page"))
    service.download(other.url("/media/clip.mp4"))

    assert {"Google Chrome" in each.headers.get("sec-ch-ua", "") for each in site.requests()} == {True}
    assert {"sec-ch-ua" in each.headers for each in other.requests()} == {False}


def test_a_browser_that_there_is_not_spoils_its_entry_alone(service: Service, site: Site, other: Site) -> None:
    service.put("")
    service.put(f'["127.0.0.1"]\nuser_agent = "{AGENT}"\n["127.0.0.2"]\nimpersonate = "lynx"')
    metrics = service.product.worker.admin.scrape()
    assert metrics.value("vidferry_worker_site_entries", state="unusable") == 1
    service.download(site.url("/media/clip.mp4"))
    service.download(other.url("/media/clip.mp4"))

    assert agents(site) == {AGENT}
    assert AGENT not in agents(other)
    told = [entry["error"] for entry in service.product.worker.logged("an entry of the sites file can't be used")]
    assert "chrome" in told[-1]


def test_requests_of_an_extraction_are_apart(service: Service, site: Site) -> None:
    """Lower bounds alone: each request is sent after the answer before it and the pause."""
    service.put('["127.0.0.1"]\nsleep = 0.4')
    site.put("/page", page("hls/master.m3u8"))
    service.probe(site.put("/first", text('<meta http-equiv="refresh" content="0; url=page">', "html")))
    looked = [each.received for each in site.requests()]
    assert len(looked) >= 3
    assert all(later - earlier >= 0.4 for earlier, later in itertools.pairwise(looked))


def test_as_many_fragments_are_fetched_as_the_file_says(service: Service, site: Site) -> None:
    """The setting allows one."""
    service.put('["127.0.0.1"]\nfragments = 3')
    gate = site.gate("three")
    job_id = service.product.post(site.url("/gated-hls/three/v360/0/master.m3u8"), {"quality": "360"})
    gate.wait_held(3)
    gate.open()
    service.product.until(job_id, lambda job: job["status"] == "completed")


def test_everything_of_a_site_goes_through_its_proxy(service: Service, site: Site, other: Site) -> None:
    """Also what its pages have at other sites; nothing of other sites does. What must not be reached stays so."""
    with OutboundProxy("user", PASSWORD) as proxy:
        service.put(f'["127.0.0.2"]\nproxy = "http://user:{PASSWORD}@127.0.0.1:{proxy.port}"')
        service.download(site.url("/media/clip.mp4"))
        assert proxy.asked == []

        url = other.put("/page", page(site.url("/media/clip.mp4?embedded"), poster="poster.jpg"))
        service.probe(url)
        service.download(url)
        asked = [each.path for each in other.requests()]
        assert "/page" in asked
        assert set(proxy.asked) == {target(site), target(other)}
        assert len(proxy.asked) >= len({(each.connection) for each in other.requests()})

        before = len(proxy.asked)
        inward = other.put("/inward", Reply(302, {"Location": "http://169.254.169.254/", "Content-Length": "0"}))
        job = service.download(inward, "failed")
        assert isinstance(job["error"], dict)
        assert job["error"]["code"] == "forbidden_address"
        assert set(proxy.asked[before:]) == {target(other)}

        service.put('["127.0.0.2"]\nproxy = "none"')
        before = len(proxy.asked)
        service.download(other.url("/media/clip.mp4"))
        assert len(proxy.asked) == before
        assert proxy.refused == 0


def target(site: Site) -> str:
    return site.base.removeprefix("http://").partition("/")[0]


def test_a_proxy_that_refuses_fails_its_site_alone_and_its_password_is_told_nobody(
    service: Service, site: Site, other: Site
) -> None:
    with OutboundProxy("user", "another") as proxy:
        service.put(f'["127.0.0.2"]\nproxy = "http://user:{PASSWORD}@127.0.0.1:{proxy.port}"')
        gate = site.gate("kept")
        running_job = service.product.post(site.url("/gated/kept/clip.mp4"))
        gate.wait_held()
        job_id = service.product.post(other.url("/media/clip.mp4"))
        wait_until(lambda: proxy.refused)
        pids = {service.product.worker.pid, *service.product.children()}
        seen = ""
        for pid in pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the one that fails ends
                seen += program(pid) + environment(pid).decode("latin-1")
        assert seen
        job = service.product.until(job_id, lambda job: job["status"] == "failed" or job["retries"])
        gate.open()
        service.product.until(running_job, lambda job: job["status"] == "completed")
        service.product.cancel(job_id)
        told = json.dumps(job) + service.product.worker.log + service.product.api.log
        assert other.requests() == []
        assert PASSWORD not in seen + told
        assert f"127.0.0.1:{proxy.port}" not in told
        assert f"127.0.0.1', {proxy.port}" not in told


def test_a_bad_file_ends_nothing(service: Service, site: Site) -> None:
    service.put("")
    service.put(f'["127.0.0.1"]\nuser_agent = "{AGENT}"\n["127.0.0.2"]\nsleep = "{PASSWORD}"')
    metrics = service.product.worker.admin.scrape()
    assert metrics.value("vidferry_worker_site_entries", state="used") == 1
    assert metrics.value("vidferry_worker_site_entries", state="unusable") == 1
    service._file.write_text(f'proxy = "http://user:{PASSWORD}@')
    service.product.worker.wait_for("the sites file can't be used")
    service.download(site.url("/media/clip.mp4"))
    assert agents(site) == {AGENT}
    assert PASSWORD not in service.product.worker.log
