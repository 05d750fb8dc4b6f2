"""The media types of all files that are handed out, by what ffmpeg reads them with, and the endings of their names.

Standard library only: both the parent and the child load this.
"""

from collections.abc import Mapping

Endings = Mapping[str, str]
"""Media types by the endings that fit them, the usual one first."""


def _of(media_type: str, *endings: str) -> Endings:
    return dict.fromkeys(endings, media_type)


_MATROSKA_AUDIO = _of("audio/x-matroska", "mka")
_OGG_AUDIO = _of("audio/ogg", "ogg", "oga", "spx")
KINDS: dict[str, tuple[Endings, ...]] = {
    "mov": (_of("video/mp4", "mp4", "m4v"), _of("audio/mp4", "m4a", "m4b")),
    "mov/qt": (_of("video/quicktime", "mov", "qt"),),
    "mov/3gp": (_of("video/3gpp", "3gp"), _of("audio/3gpp", "3gp")),
    "mov/3g2": (_of("video/3gpp2", "3g2"), _of("audio/3gpp2", "3g2")),
    "mov/mj2": (_of("video/mj2", "mj2"),),
    "matroska": (_of("video/x-matroska", "mkv", "mk3d"), _MATROSKA_AUDIO),
    "matroska/webm": (_of("video/webm", "webm"), _of("audio/webm", "webm", "weba")),
    "mpegts": (_of("video/mp2t", "ts", "m2ts", "mts", "m2t"),),
    "mpeg": (_of("video/mpeg", "mpg", "mpeg", "vob"),),
    "mpegvideo": (_of("video/mpeg", "m2v", "m1v", "mpg", "mpeg"),),
    "flv": (_of("video/x-flv", "flv"),),
    "avi": (_of("video/x-msvideo", "avi", "divx"),),
    "ogg": (_of("video/ogg", "ogv", "ogg", "ogm"), _OGG_AUDIO),
    "ogg/opus": (_of("video/ogg", "ogv", "ogg"), _of("audio/ogg", "opus", "ogg", "oga")),
    "asf": ({"wmv": "video/x-ms-wmv", "asf": "video/x-ms-asf"}, _of("audio/x-ms-wma", "wma")),
    "mp3": (_of("audio/mpeg", "mp3"),),
    "mp3/mp2": (_of("audio/mpeg", "mp2", "mpa"),),
    "aac": (_of("audio/aac", "aac"),),
    "flac": (_of("audio/flac", "flac"),),
    "wav": (_of("audio/wav", "wav"),),
    "w64": (_of("audio/x-w64", "w64"),),
    "aiff": (_of("audio/aiff", "aiff", "aif", "aifc"),),
    "caf": (_of("audio/x-caf", "caf"),),
    "amr": (_of("audio/amr", "amr"),),
    "amr/wb": (_of("audio/amr-wb", "awb", "amr"),),
    "ac3": (_of("audio/ac3", "ac3"),),
    "eac3": (_of("audio/eac3", "eac3", "ec3"),),
    "dts": (_of("audio/vnd.dts", "dts"),),
    "truehd": (_of("audio/vnd.dolby.mlp", "thd", "mlp"),),
    "h264": (_of("video/h264", "h264", "264"),),
    "hevc": (_of("video/h265", "h265", "hevc", "265"),),
    "m4v": (_of("video/mp4v-es", "m4v"),),
    "ivf": (_of("video/x-ivf", "ivf"),),
    "obu": (_of("video/av1", "obu"),),
    "vc1": (_of("video/vc1", "vc1"),),
    "dv": (_of("video/dv", "dv", "dif"),),
    "mxf": (_of("application/mxf", "mxf"),),
    "nut": (_of("video/x-nut", "nut"), _of("audio/x-nut", "nut")),
    "rm": (_of("application/vnd.rn-realmedia", "rm"), _of("audio/x-pn-realaudio", "ra", "rm")),
    "ape": (_of("audio/x-ape", "ape"),),
    "wv": (_of("audio/x-wavpack", "wv"),),
    "tta": (_of("audio/x-tta", "tta"),),
    "dsf": (_of("audio/x-dsf", "dsf"),),
    "au": (_of("audio/basic", "au", "snd"),),
    "gif": (_of("image/gif", "gif"),),
}
"""By ffmpeg's demuxer, all that child/patches/subprocesses.py lets it read; of several kinds, by which it is."""

ENDINGS = frozenset(ending for kinds in KINDS.values() for endings in kinds for ending in endings)
"""Of all kinds."""
