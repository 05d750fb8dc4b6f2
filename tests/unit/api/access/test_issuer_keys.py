"""When an issuer's keys are fetched, and for how long they are used."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from support.oidc_issuer import KEYS, OidcIssuer
from vidferry_api.access import issuer_keys
from vidferry_api.access.discovery import IssuerKey, IssuerUnavailable
from vidferry_api.access.issuer_keys import IssuerKeys


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as issuer:
        yield issuer


async def _found(keys: IssuerKeys, key_id: str | None, algorithm: str = "RS256") -> bool:
    return await keys.find(key_id, algorithm) is not None


def test_made_up_key_ids_cause_one_fetch(issuer: OidcIssuer) -> None:
    async def flood() -> None:
        keys = IssuerKeys(issuer.url)
        assert not any(await asyncio.gather(*(_found(keys, f"made-up-{number}") for number in range(500))))
        for number in range(500):
            assert not await _found(keys, f"again-{number}")
        assert await _found(keys, issuer.key_id("RS256")), "meanwhile others' tokens are checked"
        keys.close()

    asyncio.run(flood())
    assert issuer.asked.count(KEYS) == 1


def test_a_rotated_key_is_found(issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def rotate() -> None:
        keys = IssuerKeys(issuer.url)
        old = issuer.key_id("RS256")
        assert await _found(keys, old)
        issuer.rotate()
        assert not await _found(keys, issuer.key_id("RS256")), "too early for another fetch"
        monkeypatch.setattr(issuer_keys, "FETCH_INTERVAL", 0.0)
        assert await _found(keys, issuer.key_id("RS256"))
        assert not await _found(keys, old), "the issuer has withdrawn it"
        keys.close()

    asyncio.run(rotate())


def test_old_keys_are_looked_after_and_used_while_the_issuer_is_away(
    issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outlive() -> None:
        keys = IssuerKeys(issuer.url)
        assert await _found(keys, issuer.key_id("RS256"))
        issuer.is_down = True
        monkeypatch.setattr(issuer_keys, "FETCH_INTERVAL", 0.0)
        monkeypatch.setattr(issuer_keys, "FRESH_SECONDS", 0.0)
        assert await _found(keys, issuer.key_id("RS256"))
        fetching = keys.fetch_soon()
        assert fetching is not None
        await fetching
        assert await _found(keys, issuer.key_id("RS256"))
        with pytest.raises(IssuerUnavailable):  # nobody can tell whether it is a new one
            await keys.find("another", "RS256")
        monkeypatch.setattr(issuer_keys, "KEEP_SECONDS", 0.0)
        with pytest.raises(IssuerUnavailable):
            await keys.find(issuer.key_id("RS256"), "RS256")
        keys.close()

    asyncio.run(outlive())
    assert issuer.asked.count(KEYS) == 1


def test_a_token_without_a_key_id_needs_no_choice(issuer: OidcIssuer) -> None:
    async def find() -> None:
        keys = IssuerKeys(issuer.url)
        assert await _found(keys, None, "RS256")
        assert not await _found(keys, None, "ES384")
        assert not await _found(keys, issuer.key_id("RS256"), "ES256")
        keys.close()

    asyncio.run(find())


def test_an_issuer_that_does_not_answer_delays_nobody_else() -> None:
    asked, answering = threading.Event(), threading.Event()

    def fetch(_: str) -> tuple[IssuerKey, ...]:
        asked.set()
        answering.wait(20)
        return ()

    async def wait() -> None:
        keys = IssuerKeys("https://issuer.example", fetch)
        fetching = keys.fetch_soon()
        assert await asyncio.to_thread(asked.wait, 20), "the loop goes on meanwhile"
        assert keys.fetch_soon() is fetching, "one at a time"
        answering.set()
        assert fetching is not None
        await fetching
        keys.close()

    asyncio.run(wait())
