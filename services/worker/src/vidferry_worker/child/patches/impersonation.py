"""Replaces yt-dlp's request handler for curl_cffi, which serves requests that impersonate a browser.

By itself, it has libcurl resolve, connect and redirect, which a child can't do, and it holds all that a site sends
faster than it is read. With the patch, impersonation/handler.py serves these requests.
"""

from yt_dlp.networking._curlcffi import CurlCFFIRH
from yt_dlp.networking.common import _REQUEST_HANDLERS

from vidferry_worker.child.impersonation.connection import load_library
from vidferry_worker.child.impersonation.handler import BrokeredCurlCFFIRH


def install() -> None:
    """Installs the patch, for each YoutubeDL that is made afterwards."""
    _REQUEST_HANDLERS.pop(CurlCFFIRH.RH_KEY, None)
    _REQUEST_HANDLERS[BrokeredCurlCFFIRH.RH_KEY] = BrokeredCurlCFFIRH
    load_library()
