"""The page in a real browser, where the product asks for a key or a token."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import OpenPage, browser, open_page, shared_context
from support.oidc_issuer import OidcIssuer
from support.origin.site import Site
from support.services import MakeUp

__all__ = ["browser", "open_page", "shared_context"]

pytestmark = pytest.mark.xdist_group("keys")

TIMEOUT = 30_000
"""ms, for a whole job on a busy machine"""


def test_a_key_or_a_token_opens_the_page_and_tickets_its_pictures_and_files(
    keys_stack: MakeUp, key: str, issuer: OidcIssuer, site: Site, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(keys_stack.url, expected=["status of 401"])
    expect(page.get_by_text(f"A token of {issuer.url} works too.")).to_be_visible()
    page.get_by_label("API key or token").fill("vf_" + "w" * 43)
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("Vidferry does not know this key")).to_be_visible()
    page.get_by_label("API key or token").fill(key)
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_label("API key or token")).to_be_hidden()

    page.get_by_label("Video URL").fill(site.url("/page?title=arabic"))
    page.get_by_label("Video URL").press("Enter")
    card = page.locator(".card")
    link = card.get_by_role("link", name="Save video")
    expect(link).to_be_visible(timeout=TIMEOUT)
    picture = card.locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0
    with page.expect_download() as download:
        link.click()
    file = tmp_path / "saved"
    download.value.save_as(file)
    assert file.stat().st_size > 1000
    assert keys_stack.get(f"/api/jobs/{card.get_attribute('data-job')}").status_code == 401

    page.reload()
    expect(link).to_be_visible()
    page.get_by_role("button", name="Forget key").click()
    expect(page.get_by_label("API key or token")).to_be_focused()
    expect(card).to_have_count(0)

    page.get_by_label("API key or token").fill(issuer.token())
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_label("API key or token")).to_be_hidden()
    page.get_by_label("Video URL").fill(site.url("/page?title=arabic"))
    page.get_by_label("Video URL").press("Enter")
    expect(link).to_be_visible(timeout=TIMEOUT)
