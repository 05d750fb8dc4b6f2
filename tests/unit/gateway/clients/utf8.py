"""What is UTF-8 and what is not: Markus Kuhn's decoder test as the Autobahn testsuite's cases 6.5 to 6.23 have it."""

Sequences = list[tuple[bool, bytes]]
"""whether it is UTF-8, and the bytes"""

TEXT_IN_GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
"""The word kosme, with the accent as Kuhn's file has it."""


def _all(right: bool, *texts: bytes) -> Sequences:
    return [(right, text) for text in texts]


def _prefixes() -> Sequences:
    between = (2, 5, 7, 9, 11)
    return [(end in between, TEXT_IN_GREEK[:end]) for end in range(1, len(TEXT_IN_GREEK) + 1)]


def _lonely() -> Sequences:
    starts = ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
    return [(False, b"".join(bytes([byte, 0x20]) for byte in range(*span))) for span in starts]


def _no_characters() -> Sequences:
    """The last two code points of each plane."""
    return _all(True, *(chr(plane << 16 | low).encode() for plane in range(17) for low in (0xFFFE, 0xFFFF)))


_CUT = [
    b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf",
    b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf",
]  # fmt: skip

_HIGH = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"]
_LOW = [b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"]

SEQUENCES: list[tuple[str, Sequences]] = [
    (
        "some correct text",
        _all(True, *(f"hello{sign}world".encode() for sign in "$¢€\U00024b62"), TEXT_IN_GREEK),
    ),
    ("all prefixes of a correct text", _prefixes()),
    ("first possible sequences", _all(True, b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80")),
    ("first possible sequences of 5 and 6 bytes", _all(False, b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80")),
    ("last possible sequences", _all(True, b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf")),
    (
        "last possible sequences of 4, 5 and 6 bytes",
        _all(False, b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    ),
    (
        "other boundaries",
        [
            *_all(True, b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"),
            (False, b"\xf4\x90\x80\x80"),
        ],
    ),
    (
        "unexpected continuation bytes",
        _all(
            False,
            b"\x80",
            b"\xbf",
            b"\x80\xbf",
            b"\x80\xbf\x80",
            b"\x80\xbf" * 2,
            b"\x80\xbf" * 2 + b"\x80",
            b"\x80\xbf" * 3,
            bytes(range(0x80, 0xBF)),
        ),
    ),
    ("lonely start bytes", _lonely()),
    ("sequences without their last byte", _all(False, *_CUT)),
    ("several of those", _all(False, b"".join(_CUT))),
    ("impossible bytes", _all(False, b"\xfe", b"\xff", b"\xfe\xfe\xff\xff")),
    (
        "overlong ASCII",
        _all(
            False,
            b"\xc0\xaf",
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\xf8\x80\x80\x80\xaf",
            b"\xfc\x80\x80\x80\x80\xaf",
        ),
    ),
    (
        "largest overlong sequences",
        _all(
            False,
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf8\x87\xbf\xbf\xbf",
            b"\xfc\x83\xbf\xbf\xbf\xbf",
        ),
    ),
    (
        "overlong NUL",
        _all(
            False,
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf8\x80\x80\x80\x80",
            b"\xfc\x80\x80\x80\x80\x80",
        ),
    ),
    ("single UTF-16 surrogates", _all(False, *_HIGH, *_LOW)),
    ("pairs of UTF-16 surrogates", _all(False, *(high + low for high in _HIGH for low in (_LOW[0], _LOW[2])))),
    ("code points that are no characters", _no_characters()),
    ("special characters", _all(True, *(chr(point).encode() for point in range(0xFFF9, 0x10000)))),
]
