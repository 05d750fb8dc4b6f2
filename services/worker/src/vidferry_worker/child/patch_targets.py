"""What of yt-dlp each patch stands on. A bundle whose yt-dlp has moved or changed one of these parts is refused."""

import inspect
import sys
from typing import Any

M3U8 = (
    "self m3u8_doc m3u8_url ext entry_protocol preference quality m3u8_id live note errnote fatal data headers query "
    "video_id"
)
COMMON, GENERIC = "yt_dlp.extractor.common.InfoExtractor", "yt_dlp.extractor.generic.GenericIE"
DOWNLOADER, FRAGMENT, HLS = "yt_dlp.downloader", "yt_dlp.downloader.fragment.FragmentFD", "yt_dlp.downloader.hls.HlsFD"
FFMPEG = "yt_dlp.postprocessor.ffmpeg.FFmpegPostProcessor"
CONNECT = "address timeout source_address _create_socket_func"
APPEND = "self ctx fragments info_dict is_fatal pack_func finish_func tpe interrupt_trigger"
STANDS_ON: dict[str, dict[str, str]] = {
    "block_size": {
        f"{DOWNLOADER}.common.FileDownloader.best_block_size": "elapsed_time bytes",
        f"{DOWNLOADER}.common.FileDownloader.report_progress": "self s",
    },
    "body_resumption": {
        f"{DOWNLOADER}.http.HttpFD.real_download": "self filename info_dict",
        f"{DOWNLOADER}.http.Request": "url data headers proxies query method extensions",
    },
    "connections": {
        "urllib3.util.connection.create_connection": "address timeout source_address socket_options",
        "yt_dlp.networking._helper.create_connection": CONNECT,
        "yt_dlp.networking._requests.create_connection": CONNECT,
        "yt_dlp.networking._urllib.create_connection": CONNECT,
        "yt_dlp.networking._websockets.create_connection": CONNECT,
    },
    "truncated_fragments": {f"{FRAGMENT}._append_fragment": "self ctx frag_content"},
    "dash_durations": {f"{COMMON}._parse_mpd_periods": "self mpd_doc mpd_id mpd_base_url mpd_url"},
    "dash_manifest": {
        f"{COMMON}._parse_mpd_periods": "self mpd_doc mpd_id mpd_base_url mpd_url",
        f"{COMMON}._merge_mpd_periods": "self periods",
    },
    "dash_fragments": {
        f"{DOWNLOADER}.dash.DashSegmentsFD._get_fragments": "self fmt ctx extra_query",
        f"{DOWNLOADER}.dash.DashSegmentsFD.download_and_append_fragments": APPEND,
    },
    "download_retries": {
        f"{DOWNLOADER}.common.FileDownloader.report_retry": "self err count retries frag_index fatal",
    },
    "duration_limit": {f"{HLS}.can_download": "cls manifest info_dict allow_unplayable_formats"},
    "embed_search": {f"{GENERIC}._extract_embeds": "self url webpage urlh info_dict"},
    "ffmpeg_crash": {f"{FFMPEG}.real_run_ffmpeg": "self input_path_opts output_path_opts expected_retcodes"},
    "ffmpeg_downloads": {f"{DOWNLOADER}.external.FFmpegFD.real_download": "self filename info_dict"},
    "ffmpeg_progress": {f"{FFMPEG}.real_run_ffmpeg": "self input_path_opts output_path_opts expected_retcodes"},
    "fragment_content": {f"{FRAGMENT}._download_fragment": "self ctx frag_url info_dict headers request_data"},
    "fragment_keys": {f"{FRAGMENT}.decrypter": "self info_dict"},
    "fragment_progress": {
        f"{FRAGMENT}._start_frag_download": "self ctx info_dict",
        f"{FRAGMENT}.download_and_append_fragments": APPEND,
    },
    "generic_embeds": {f"{GENERIC}._extract_embeds": "self url webpage urlh info_dict"},
    "generic_feeds": {f"{GENERIC}._extract_rss": "self url video_id doc"},
    "generic_json_ld": {f"{GENERIC}._search_json_ld": "self html video_id expected_type fatal default"},
    "generic_referers": {
        f"{COMMON}._create_request": "self url_or_request data headers query extensions",
        f"{GENERIC}._real_extract": "self url",
    },
    "generic_titles": {
        f"{COMMON}._generic_title": "self url webpage default",
        f"{GENERIC}._real_extract": "self url",
    },
    "hls_playlist_observer": {f"{HLS}.can_download": "cls manifest info_dict allow_unplayable_formats"},
    "hls_audio_codecs": {f"{COMMON}._parse_m3u8_formats_and_subtitles": M3U8},
    "hls_playlists": {
        f"{HLS}._has_drm": "manifest",
        f"{HLS}.real_download": "self filename info_dict",
        f"{COMMON}._parse_m3u8_formats_and_subtitles": M3U8,
    },
    "hls_live": {f"{GENERIC}._extra_manifest_info": "self info manifest_url"},
    "hls_separate_audio": {f"{COMMON}._parse_m3u8_formats_and_subtitles": M3U8},
    "html5_players": {
        "yt_dlp.extractor.genericembeds.HTML5MediaEmbedIE._extract_from_webpage": "self url webpage",
    },
    "impersonation": {},  # it changes yt-dlp's table of handlers; impersonation/test_handler.py sends requests by it
    "generic_impersonation": {f"{GENERIC}._real_extract": "self url"},
    "ism_manifest": {f"{COMMON}._parse_ism_formats_and_subtitles": "self ism_doc ism_url ism_id"},
    "plain_playlists": {
        f"{COMMON}._request_webpage": "self url_or_request video_id note errnote fatal data headers query "
        "expected_status impersonate require_impersonation",
        f"{GENERIC}._request_webpage": "self url_or_request video_id note errnote fatal data headers query "
        "expected_status impersonate require_impersonation",
        f"{GENERIC}._real_extract": "self url",
    },
    "file_extensions": {
        f"{module}.determine_ext": "url default_ext"
        for module in ("yt_dlp.utils._utils", "yt_dlp.utils", "yt_dlp.extractor.common", "yt_dlp.extractor.generic",
                       "yt_dlp.YoutubeDL")
    },
    "page_limits": {
        f"{COMMON}._parse_html5_media_entries": "self base_url webpage video_id m3u8_id m3u8_entry_protocol mpd_id "
        "preference quality _headers",
        f"{COMMON}._parse_json": "self json_string video_id transform_source fatal errnote parser_kwargs",
        f"{COMMON}.extract_from_webpage": "cls ydl url webpage",
        f"{COMMON}._parse_f4m_formats": "self manifest manifest_url video_id preference quality f4m_id "
        "transform_source fatal m3u8_id",
        f"{COMMON}._parse_ism_formats_and_subtitles": "self ism_doc ism_url ism_id",
        f"{COMMON}._parse_smil_formats_and_subtitles": "self smil smil_url video_id namespace f4m_params "
        "transform_rtmp_url",
        f"{COMMON}._parse_xspf": "self xspf_doc playlist_id xspf_url xspf_base_url",
        "yt_dlp.extractor.common.compat_etree_fromstring": "text",
        "yt_dlp.extractor.generic.compat_etree_fromstring": "text",
    },
    "redirected_headers": {
        "yt_dlp.networking._requests.RequestsSession.rebuild_auth": "self prepared_request response",
    },
    "subprocesses": {"yt_dlp.utils.Popen.__init__": "self args remaining env text shell kwargs"},
    "response_heads": {
        "http.client.HTTPResponse._read_status": "self",
        "http.client.parse_headers": "fp _class",
    },
    "smuggled_data": {
        f"{module}.{name}": parameters
        for module in ("yt_dlp.utils", "yt_dlp.utils._utils")
        for name, parameters in {"smuggle_url": "url data", "unsmuggle_url": "smug_url default"}.items()
    },
}  # fmt: skip
"""by patch: the parts of yt-dlp that it changes, with the names of their parameters"""


def find_moved() -> list[str]:
    """The parts that are not where a patch expects them, or take other parameters. Call it before any is installed.

    The modules of yt-dlp that the patches change have to be loaded.
    """
    expected = {path: names for parts in STANDS_ON.values() for path, names in parts.items()}
    return sorted(path for path, names in expected.items() if parameters_of(path) != names)


def parameters_of(path: str) -> str | None:
    """The names of the parameters of a part of yt-dlp; None where there is no such part."""
    owner, name = _find_owner(path)
    part = getattr(owner, name, None)
    return None if part is None else " ".join(inspect.signature(getattr(part, "__func__", part)).parameters)


def _find_owner(path: str) -> tuple[Any, str]:
    """The module or class that has the part, and the part's name in it."""
    names = path.split(".")
    depth = max(at for at in range(1, len(names)) if ".".join(names[:at]) in sys.modules)
    owner: Any = sys.modules[".".join(names[:depth])]
    for name in names[depth:-1]:
        owner = getattr(owner, name, None)
    return owner, names[-1]
