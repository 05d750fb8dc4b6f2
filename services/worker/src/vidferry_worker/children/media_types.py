"""The media types and file extensions of all files that Vidferry serves, by the ffmpeg demuxer that reads them.

Standard library only: both the parent and the child load this.
"""

from collections.abc import Mapping

Extensions = Mapping[str, str]
"""Media types by their file extensions, the usual one first."""


def _media_type(name: str, *extensions: str) -> Extensions:
    return dict.fromkeys(extensions, name)


_MATROSKA_AUDIO = _media_type("audio/x-matroska", "mka")
_OGG_AUDIO = _media_type("audio/ogg", "ogg", "oga", "spx")
MEDIA_TYPES: dict[str, tuple[Extensions, ...]] = {
    "mov": (_media_type("video/mp4", "mp4", "m4v"), _media_type("audio/mp4", "m4a", "m4b")),
    "mov/qt": (_media_type("video/quicktime", "mov", "qt"),),
    "mov/3gp": (_media_type("video/3gpp", "3gp"), _media_type("audio/3gpp", "3gp")),
    "mov/3g2": (_media_type("video/3gpp2", "3g2"), _media_type("audio/3gpp2", "3g2")),
    "mov/mj2": (_media_type("video/mj2", "mj2"),),
    "matroska": (_media_type("video/x-matroska", "mkv", "mk3d"), _MATROSKA_AUDIO),
    "matroska/webm": (_media_type("video/webm", "webm"), _media_type("audio/webm", "webm", "weba")),
    "mpegts": (_media_type("video/mp2t", "ts", "m2ts", "mts", "m2t"),),
    "mpeg": (_media_type("video/mpeg", "mpg", "mpeg", "vob"),),
    "mpegvideo": (_media_type("video/mpeg", "m2v", "m1v", "mpg", "mpeg"),),
    "flv": (_media_type("video/x-flv", "flv"),),
    "avi": (_media_type("video/x-msvideo", "avi", "divx"),),
    "ogg": (_media_type("video/ogg", "ogv", "ogg", "ogm"), _OGG_AUDIO),
    "ogg/opus": (_media_type("video/ogg", "ogv", "ogg"), _media_type("audio/ogg", "opus", "ogg", "oga")),
    "asf": ({"wmv": "video/x-ms-wmv", "asf": "video/x-ms-asf"}, _media_type("audio/x-ms-wma", "wma")),
    "mp3": (_media_type("audio/mpeg", "mp3"),),
    "mp3/mp2": (_media_type("audio/mpeg", "mp2", "mpa"),),
    "aac": (_media_type("audio/aac", "aac"),),
    "flac": (_media_type("audio/flac", "flac"),),
    "wav": (_media_type("audio/wav", "wav"),),
    "w64": (_media_type("audio/x-w64", "w64"),),
    "aiff": (_media_type("audio/aiff", "aiff", "aif", "aifc"),),
    "caf": (_media_type("audio/x-caf", "caf"),),
    "amr": (_media_type("audio/amr", "amr"),),
    "amr/wb": (_media_type("audio/amr-wb", "awb", "amr"),),
    "ac3": (_media_type("audio/ac3", "ac3"),),
    "eac3": (_media_type("audio/eac3", "eac3", "ec3"),),
    "dts": (_media_type("audio/vnd.dts", "dts"),),
    "truehd": (_media_type("audio/vnd.dolby.mlp", "thd", "mlp"),),
    "h264": (_media_type("video/h264", "h264", "264"),),
    "hevc": (_media_type("video/h265", "h265", "hevc", "265"),),
    "m4v": (_media_type("video/mp4v-es", "m4v"),),
    "ivf": (_media_type("video/x-ivf", "ivf"),),
    "obu": (_media_type("video/av1", "obu"),),
    "vc1": (_media_type("video/vc1", "vc1"),),
    "dv": (_media_type("video/dv", "dv", "dif"),),
    "mxf": (_media_type("application/mxf", "mxf"),),
    "nut": (_media_type("video/x-nut", "nut"), _media_type("audio/x-nut", "nut")),
    "rm": (_media_type("application/vnd.rn-realmedia", "rm"), _media_type("audio/x-pn-realaudio", "ra", "rm")),
    "ape": (_media_type("audio/x-ape", "ape"),),
    "wv": (_media_type("audio/x-wavpack", "wv"),),
    "tta": (_media_type("audio/x-tta", "tta"),),
    "dsf": (_media_type("audio/x-dsf", "dsf"),),
    "au": (_media_type("audio/basic", "au", "snd"),),
    "gif": (_media_type("image/gif", "gif"),),
}
"""By ffmpeg's demuxer, or `demuxer/variant` where it reads several: all that ffmpeg may use (patches/subprocesses.py).

Of each, the first is the type of a file with video, the last that of a file with sound alone.
"""

EXTENSIONS = frozenset(extension for types in MEDIA_TYPES.values() for each in types for extension in each)
