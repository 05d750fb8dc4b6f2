"""Signs the data that yt-dlp's extractors pass on in URLs (smuggle_url), so that nobody else can add any.

By itself, yt-dlp accepts such data in any URL: of a page, a redirect, a document. It tells extractors which server to
ask, which Referer to send and which id to take. With the patch, data without this process's signature is ignored.
"""

import hashlib
import hmac
import json
import secrets
import sys
from typing import Any
from urllib.parse import parse_qs, urlencode

from yt_dlp import utils
from yt_dlp.utils import _utils

_MARK = "#__youtubedl_smuggle"
_PATCHED = ("yt_dlp", "vidferry_worker.child")
_key = secrets.token_bytes(32)


def install() -> None:
    """Installs the patch, also in modules that have imported the functions already."""
    by_itself = {name: getattr(_utils, name) for name in ("smuggle_url", "unsmuggle_url")}
    signed = {"smuggle_url": smuggle_url, "unsmuggle_url": unsmuggle_url}
    loaded = [module for name, module in list(sys.modules.items()) if name.startswith(_PATCHED)]
    for module in (_utils, utils, *loaded):
        for name, original in by_itself.items():
            if vars(module).get(name) is original:
                setattr(module, name, signed[name])


def renew_key() -> None:
    """Call this in each child, so that a site can't use one child's signatures for another."""
    global _key  # noqa: PLW0603 - extractors call plain functions
    _key = secrets.token_bytes(32)


def smuggle_url(url: str, data: dict[str, Any]) -> str:
    """The URL with data added to what it already carries."""
    url, before = unsmuggle_url(url, {})
    text = json.dumps({**data, **before})
    return f"{url}{_MARK}=&{urlencode({'data': text, 'by': _sign_data(text)})}"


def unsmuggle_url(smug_url: str, default: Any = None) -> tuple[str, Any]:
    """The URL without data, and the data; default where it has none that this process has signed."""
    if _MARK not in smug_url:
        return smug_url, default
    url, _, rest = smug_url.partition(_MARK)
    fields = parse_qs(rest)
    text, sign = fields.get("data", [""])[0], fields.get("by", [""])[0]
    if not hmac.compare_digest(_sign_data(text).encode(), sign.encode(errors="replace")):
        return url, default
    return url, json.loads(text)


def _sign_data(text: str) -> str:
    return hmac.new(_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
