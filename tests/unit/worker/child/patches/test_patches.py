"""What of yt-dlp each patch stands on: a release that moves a part, or calls it otherwise, fails here by its name.

That a patch does what it is for is told by the test of its name.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

LOOK = """
import importlib, inspect, json, pkgutil, sys
import http.client, urllib3.util.connection, yt_dlp
from types import SimpleNamespace
from yt_dlp.extractor import gen_extractor_classes
from vidferry_worker.child import patches

OWN = {"connections": [None], "duration_limit": [1.0], "ffmpeg_progress": [{}, None], "fragment_progress": [None],
       "hls_playlist_observer": [None], "embed_search": [SimpleNamespace(_ies={})]}
"what an install() is given of one download's"
MISSING = object()

def parameters(part):
    found = inspect.signature(getattr(part, "__func__", part)).parameters
    return " ".join(found)

def owner_and_name(path):
    names = path.split(".")
    depth = max(at for at in range(1, len(names)) if ".".join(names[:at]) in sys.modules)
    owner = sys.modules[".".join(names[:depth])]
    for name in names[depth:-1]:
        owner = getattr(owner, name, None)
    return owner, names[-1]

def parts():
    "All that modules and classes have of their own, by where it is."
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "yt_dlp" or name in {"http.client", "urllib3.util.connection"}:
            owners = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == name]
            for path, owner in [(name, module), *((f"{name}.{each.__qualname__}", each) for each in owners)]:
                yield from ((f"{path}.{key}", value) for key, value in list(vars(owner).items()))

list(gen_extractor_classes())
modules = {each.name: importlib.import_module(f"{patches.__name__}.{each.name}")
           for each in pkgutil.iter_modules(patches.__path__)}
stands_on, changed = json.load(sys.stdin), {}
found = {}
for path in sorted({path for each in stands_on.values() for path in each}):
    owner, name = owner_and_name(path)
    part = getattr(owner, name, None)
    found[path] = None if part is None else parameters(part)
before = dict(parts())
for name, module in modules.items():
    module.install(*OWN.get(name, []))
    after = dict(parts())
    changed[name] = [path for path, part in after.items() if before.get(path, MISSING) is not part]
    before = after
print(json.dumps({"found": found, "changed": changed}))
"""
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


@pytest.fixture(scope="module")
def look() -> dict[str, Any]:
    """What a fresh yt-dlp has of all those parts, and what each patch changes of it."""
    command = [sys.executable, "-c", LOOK]
    told = subprocess.run(command, input=json.dumps(STANDS_ON), capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def test_each_patch_is_told_of(look: dict[str, Any]) -> None:
    assert set(look["changed"]) == set(STANDS_ON)


@pytest.mark.parametrize(
    ("patch", "part", "parameters"), [(patch, *part) for patch, parts in STANDS_ON.items() for part in parts.items()]
)
def test_what_a_patch_stands_on_is_there(patch: str, part: str, parameters: str, look: dict[str, Any]) -> None:
    assert look["found"][part] == parameters, f"{patch}: yt-dlp has moved or changed {part}"


@pytest.mark.parametrize("patch", STANDS_ON)
def test_a_patch_changes_what_it_is_told_to_stand_on(patch: str, look: dict[str, Any]) -> None:
    changed, told = set(look["changed"][patch]), set(STANDS_ON[patch])
    assert told <= changed
    # Modules that have imported a function by its name have it changed there too.
    names = {part.rpartition(".")[2] for part in told}
    assert {part for part in changed - told if part.rpartition(".")[2] not in names} == set()
