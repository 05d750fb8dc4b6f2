"""Loads yt-dlp once in the zygote: imports, patterns, patches, certificates, ffmpeg's features."""

import contextlib
from functools import cache
from typing import Any

from yt_dlp.extractor import gen_extractor_classes, generic
from yt_dlp.networking._requests import RequestsRH
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from vidferry_common.contract.formats import AUDIO_CONTAINERS, VIDEO_CONTAINERS, Format, Quality
from vidferry_worker.child import format_selection, options, site_extractors, warm_up
from vidferry_worker.child.patches import (
    block_size,
    body_resumption,
    dash_durations,
    dash_fragments,
    dash_manifest,
    download_retries,
    embed_search,
    ffmpeg_crash,
    ffmpeg_downloads,
    file_extensions,
    fragment_content,
    fragment_keys,
    generic_embeds,
    generic_feeds,
    generic_impersonation,
    generic_json_ld,
    generic_referers,
    generic_titles,
    hls_audio_codecs,
    hls_live,
    hls_playlists,
    hls_separate_audio,
    html5_players,
    impersonation,
    ism_manifest,
    page_limits,
    plain_playlists,
    redirected_headers,
    response_heads,
    smuggled_data,
    truncated_fragments,
)
from vidferry_worker.child.site_downloader import SiteDownloader

PATCHES = (
    ffmpeg_crash, ffmpeg_downloads, block_size, page_limits, hls_separate_audio, dash_durations, body_resumption,
    truncated_fragments, dash_manifest, dash_fragments, download_retries, fragment_content, fragment_keys,
    generic_embeds, generic_feeds, generic_json_ld, generic_referers, generic_titles, hls_audio_codecs, hls_playlists,
    hls_live, html5_players, ism_manifest, plain_playlists, file_extensions, response_heads, smuggled_data,
    redirected_headers, impersonation, generic_impersonation,
)  # fmt: skip
"""the patches of every download, in the order of their installation: each wraps those before it"""

_loaded: SiteDownloader | None = None


def load_downloader() -> None:
    """Installs the patches, and makes and warms up a YoutubeDL. The zygote calls this once."""
    global _loaded  # noqa: PLW0603 - a fork hands on global state
    warm_up.enlarge_pattern_cache()
    for patch in PATCHES:
        patch.install()
    for extractor in gen_extractor_classes():
        with contextlib.suppress(Exception):  # an invalid pattern only concerns its own extractor
            extractor.suitable("https://example.invalid/")
    site_extractors.keys_by_module()
    _loaded = SiteDownloader(options.base_options())
    _loaded.get_info_extractor(generic.GenericIE.ie_key())
    FFmpegPostProcessor(_loaded).get_versions_and_features()
    _build_request_handlers(_loaded)
    for quality in Quality:
        for container in AUDIO_CONTAINERS if quality is Quality.AUDIO else VIDEO_CONTAINERS:
            format_selector_for(Format(quality=quality, container=container).canonical())
    with SiteDownloader(options.base_options()) as warmed_up:
        warm_up.warm_up_extractors(warmed_up)
    embed_search.install(_loaded)


def _build_request_handlers(ydl: SiteDownloader) -> None:
    """Builds the request handlers, and a session that reads the certificates but connects to nothing yet."""
    handlers = ydl._request_director.handlers  # noqa: SLF001 - there is no public way
    handlers[RequestsRH.RH_KEY]._get_instance(cookiejar=ydl.cookiejar, legacy_ssl_support=None)  # noqa: SLF001


@cache
def format_selector_for(fmt: str) -> Any:
    """yt-dlp's selector function for a format in canonical form. Cached, since its tokenizer is slow to start."""
    parsed = Format.parse(fmt)
    select = loaded_downloader().build_format_selector(options.format_selector(parsed))
    return format_selection.limit_selector(select, parsed.quality.lines)


def loaded_downloader() -> SiteDownloader:
    """The preloaded YoutubeDL. A child may change it, since it makes only one download."""
    assert _loaded is not None
    return _loaded
