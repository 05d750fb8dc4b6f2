from collections.abc import Iterator
from http.cookiejar import CookieJar

import pytest

from vidferry_worker.child import cookies
from vidferry_worker.children.protocol import Cookie

SECRET = "a-long-secret"


@pytest.fixture(autouse=True)
def sent() -> Iterator[CookieJar]:
    """The jar of a child that was sent cookies."""
    jar = CookieJar()
    cookies.put_into_jar(
        jar,
        [
            Cookie(".example.com", "/", True, None, "sid", SECRET),
            Cookie("www.example.com", "/", False, 1893456000, "lang", "en"),
        ],
    )
    yield jar
    cookies.put_into_jar(jar, ())


def test_the_jar_has_each_for_its_own_domain(sent: CookieJar) -> None:
    found = {each.name: each for each in sent}
    assert (found["sid"].domain, found["sid"].secure, found["sid"].discard) == (".example.com", True, True)
    assert (found["lang"].domain, found["lang"].secure, found["lang"].expires) == ("www.example.com", False, 1893456000)


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("https://example.com/", True),
        ("https://api.example.com:8443/", True),
        ("https://example.org/", False),
        ("https://notexample.com/", False),
        ("https://example.com.example.org/", False),
        ("https://127.0.0.1/", False),
    ],
)
def test_a_header_with_a_cookies_value_goes_to_its_site_alone(url: str, is_sent: bool) -> None:
    headers = {"X-CSRFToken": f"v1.{SECRET}", "Accept-Language": "en"}
    cookies.withhold_values(headers, url)
    assert headers == {**({"X-CSRFToken": f"v1.{SECRET}"} if is_sent else {}), "Accept-Language": "en"}
