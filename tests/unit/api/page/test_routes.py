"""The page and its parts, as they leave the package."""

import re

import httpx2
import pytest

from vidferry_api.page.files import FOLDER, MEDIA_TYPES

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".py")


def test_the_page(api: httpx2.Client) -> None:
    answer = api.get("/")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == (FOLDER / "index.html").read_bytes()
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_all_that_the_page_names_is_there(api: httpx2.Client) -> None:
    named = re.findall(r'(?:src|href)="([^"#]+)"', api.get("/").text)

    assert named
    for address in named:
        assert api.get(f"/{address}").status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_every_part_has_its_type_and_is_asked_for_anew(api: httpx2.Client, name: str) -> None:
    answer = api.get(f"/static/{name}")

    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"] == MEDIA_TYPES["." + name.rpartition(".")[2]]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/static/routes.py", "/static/./routes.py", "/static/__init__.py"])
def test_the_folder_s_python_is_not_served(api: httpx2.Client, path: str) -> None:
    assert (FOLDER / path.removeprefix("/static/")).exists()
    assert api.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/static/app.js"])
def test_what_a_browser_has_is_not_sent_again(api: httpx2.Client, path: str) -> None:
    first = api.get(path)
    again = api.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == first.headers["cache-control"] == "no-cache"
    plain = api.head(path, headers={"Accept-Encoding": "identity"})
    assert plain.headers["content-length"] == str(len(first.content))
