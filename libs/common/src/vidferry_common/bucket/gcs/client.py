"""The client library's connection to Cloud Storage, with credentials, and without the requests that we don't need."""

import os
from typing import Any

import google.auth
import google.auth.credentials
import google.auth.environment_vars
import google.auth.transport.requests
import requests.adapters
from google.cloud import storage

from vidferry_common.bucket.threads import ALL_THREADS

TIMEOUT = (10, 30)
"""seconds to connect (also for each write of an upload), and to wait for a reply"""

# Storage's own scopes don't allow signBlob.
_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


def connect(endpoint: str | None) -> storage.Client:
    """A client of Cloud Storage, or of the endpoint given.

    An endpoint of http:// counts as an emulator's, which needs no credentials unless the environment names some.
    """
    if endpoint is None:
        return _make_client(google.auth.default(scopes=_SCOPES), {})
    variables = (google.auth.environment_vars.CREDENTIALS, google.auth.environment_vars.GCE_METADATA_HOST)
    if endpoint.startswith("http://") and not any(name in os.environ for name in variables):
        nobody = google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]
        return _make_client((nobody, None), {"api_endpoint": endpoint})
    return _make_client(google.auth.default(scopes=_SCOPES), {"api_endpoint": endpoint})


def _make_client(found: tuple[Any, str | None], options: dict[str, str]) -> storage.Client:
    credentials, project = found
    domain = credentials.universe_domain
    if domain != google.auth.credentials.DEFAULT_UNIVERSE_DOMAIN:
        options = {**options, "universe_domain": domain}
    # A project is only asked for where buckets are made or listed.
    client = storage.Client(project=project or "none", credentials=credentials, client_options=options)
    # Otherwise 3.17 asks for the bucket itself, in a thread, for spans that nobody records: a right we don't need.
    client._bucket_metadata_cache = None  # noqa: SLF001 - every use of it asks first whether it is there
    _keep_a_connection_for_each_thread(client._http)  # noqa: SLF001 - the library offers no other way to it
    client._http.hooks["response"].append(_read_refusal)  # noqa: SLF001 - as above
    return client


def _read_refusal(reply: requests.Response, **_: object) -> None:
    """Else a download that is refused leaves its reply unread, and its connection neither used again nor closed."""
    if not reply.ok:
        reply.content  # noqa: B018 - reading it is what this is for


def _keep_a_connection_for_each_thread(session: google.auth.transport.requests.AuthorizedSession) -> None:
    """By itself requests keeps 10 to a host: the eleventh thread's is closed after its reply, with a warning."""
    tokens: requests.Session = session._auth_request.session  # noqa: SLF001 - as above
    for each, tries in ((session, 0), (tokens, 3)):  # the library's own numbers of tries
        for scheme in ("http://", "https://"):
            each.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=ALL_THREADS, max_retries=tries))
    session.configure_mtls_channel()  # type: ignore[no-untyped-call]  # as the client did before; it keeps the size
