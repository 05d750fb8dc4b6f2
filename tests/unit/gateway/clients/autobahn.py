"""The cases of the Autobahn testsuite, chapters 1 to 7, as data (its cases' names, numbers and bytes; Apache-2.0).

The suite asks of a server that it sends back what it is sent. The gateway doesn't: `/ws/downloads` answers each message
that is none of its own with one `invalid_message`, so a case that waits for an echo waits for that here, and
`/ws/download/{job_id}` says nothing to it. The third column says what became of each case:

| | |
|---|---|
| AS_IT_IS | nothing in it depends on an echo |
| ANSWERED | the gateway's answer stands for the echo |
| LIMITED | it sends more than the gateway takes (4 KiB), which is 1009 (RFC 6455 §7.4.1) instead |
| WHOLE_FRAMES | it hopes for a failure within a frame; the gateway reads whole frames, which RFC 6455 §8.1 allows |

No case of these chapters is left out. Chapters 9 (limits), 10 (an echo in fragments), 12 and 13 (compression, which the
gateway declines: see test_websocket.py) don't apply; chapter 8 is empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise

from support.raw_websocket import frame
from unit.gateway.clients.utf8 import SEQUENCES, TEXT_IN_GREEK

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OK, PROTOCOL_ERROR, INVALID, TOO_BIG = 1000, 1002, 1007, 1009
HELLO = b"Hello, world!"


class Applies(Enum):
    """How a case applies to a server that does not echo."""

    AS_IT_IS = auto()
    ANSWERED = auto()
    LIMITED = auto()
    WHOLE_FRAMES = auto()


AS_IT_IS, ANSWERED, LIMITED, WHOLE_FRAMES = Applies


@dataclass(frozen=True)
class Case:
    """What is sent, and what has to come back.

    Pauses of the suite are waits for what came back so far: `sent` is a sequence of parts, and each is sent after the
    answers to those before it.
    """

    number: str
    about: str
    applies: Applies
    sent: tuple["Part", ...]
    code: int = OK
    """of the gateway's close"""
    closes: bool = False
    """it holds the close that the gateway answers; else, where it breaks no rule, the client closes at the end"""


@dataclass(frozen=True)
class Part:
    """Frames that are sent together, or in pieces of so many bytes, and what they are answered with."""

    data: bytes
    messages: int = 0
    """answers that stand for an echo"""
    pongs: tuple[bytes, ...] = field(default=())
    chop: int = 0


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def fragments(opcode: int, *payloads: bytes) -> bytes:
    last = len(payloads) - 1
    return b"".join(frame(CONT if index else opcode, each, fin=index == last) for index, each in enumerate(payloads))


def framing() -> Iterator[Case]:
    sizes = [(0, 0), (125, 0), (126, 0), (127, 0), (128, 0), (65535, 0), (65536, 0), (65536, 997)]
    for chapter, opcode, byte in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        for place, (size, chop) in enumerate(sizes, 1):
            fits = size <= 4096
            part = Part(frame(opcode, byte * size), messages=int(fits), chop=chop)
            applies, code = (ANSWERED, OK) if fits else (LIMITED, TOO_BIG)
            yield Case(f"1.{chapter}.{place}", f"a message of {size} bytes", applies, (part,), code)


def pings() -> Iterator[Case]:
    def case(place: int, about: str, *parts: Part, code: int = OK) -> Case:
        return Case(f"2.{place}", about, AS_IT_IS, parts, code)

    def ping(payload: bytes, chop: int = 0) -> Part:
        return Part(frame(PING, payload), pongs=(payload,), chop=chop)

    many = [b"payload-%d" % number for number in range(10)]
    many_pings = b"".join(frame(PING, each) for each in many)
    yield case(1, "a ping without payload", ping(b""))
    yield case(2, "a small text as payload", ping(HELLO))
    yield case(3, "a small payload that is no text", ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))
    yield case(4, "125 bytes", ping(b"\xfe" * 125))
    yield case(5, "126 bytes", Part(frame(PING, b"\xfe" * 126)), code=PROTOCOL_ERROR)
    yield case(6, "125 bytes, byte by byte", ping(b"\xfe" * 125, chop=1))
    yield case(7, "a pong that nobody asked for", Part(frame(PONG)))
    yield case(8, "one with a payload", Part(frame(PONG, b"unsolicited pong payload")))
    unsolicited = frame(PONG, b"unsolicited pong payload") + frame(PING, b"ping payload")
    yield case(9, "one, then a ping", Part(unsolicited, pongs=(b"ping payload",)))
    yield case(10, "ten pings", Part(many_pings, pongs=tuple(many)))
    yield case(11, "ten pings, byte by byte", Part(many_pings, pongs=tuple(many), chop=1))


def after_a_message(number: str, about: str, wrong: bytes, chop: int = 0) -> Case:
    """A message is answered, what follows fails the connection, and a ping behind that has no pong."""
    first = Part(frame(TEXT, HELLO), messages=1, chop=chop)
    return Case(number, about, ANSWERED, (first, Part(wrong + frame(PING), chop=chop)), PROTOCOL_ERROR)


def at_once(number: str, about: str, wrong: bytes, chop: int = 0) -> Case:
    return Case(number, about, AS_IT_IS, (Part(wrong, chop=chop),), PROTOCOL_ERROR)


def reserved_bits() -> Iterator[Case]:
    yield at_once("3.1", "text, RSV 1", frame(TEXT, HELLO, reserved=1))
    yield after_a_message("3.2", "RSV 2", frame(TEXT, HELLO, reserved=2))
    yield after_a_message("3.3", "RSV 3, frame by frame", frame(TEXT, HELLO, reserved=3))
    yield after_a_message("3.4", "RSV 4, byte by byte", frame(TEXT, HELLO, reserved=4), chop=1)
    yield at_once("3.5", "binary, RSV 5", frame(BINARY, b"\x00\xff\xfe\xfd", reserved=5))
    yield at_once("3.6", "ping, RSV 6", frame(PING, HELLO, reserved=6))
    yield at_once("3.7", "close, RSV 7", frame(CLOSE, reserved=7))


def opcodes() -> Iterator[Case]:
    for chapter, first in ((1, 3), (2, 11)):
        yield at_once(f"4.{chapter}.1", f"opcode {first}", frame(first))
        yield at_once(f"4.{chapter}.2", f"opcode {first + 1} with a payload", frame(first + 1, b"reserved opcode"))
        yield after_a_message(f"4.{chapter}.3", f"opcode {first + 2}", frame(first + 2))
        yield after_a_message(f"4.{chapter}.4", f"opcode {first + 3} with a payload", frame(first + 3, HELLO))
        yield after_a_message(f"4.{chapter}.5", f"opcode {first + 4}, byte by byte", frame(first + 4, HELLO), chop=1)


def fragmentation() -> Iterator[Case]:
    yield at_once("5.1", "a ping in two fragments", fragments(PING, b"fragment1", b"fragment2"))
    yield at_once("5.2", "a pong in two fragments", fragments(PONG, b"fragment1", b"fragment2"))
    two = fragments(TEXT, b"fragment1", b"fragment2")
    for place, (how, chop) in enumerate((("at once", 0), ("frame by frame", 15), ("byte by byte", 1)), 3):
        yield Case(f"5.{place}", f"text in two fragments, {how}", ANSWERED, (Part(two, messages=1, chop=chop),))
    between = frame(TEXT, b"fragment1", fin=False) + frame(PING, b"ping payload") + frame(CONT, b"fragment2")
    for place, (how, chop) in enumerate((("at once", 0), ("frame by frame", 15), ("byte by byte", 1)), 6):
        part = Part(between, messages=1, pongs=(b"ping payload",), chop=chop)
        yield Case(f"5.{place}", f"a ping between two fragments, {how}", ANSWERED, (part,))
    yield from _nothing_to_continue()
    yield at_once("5.18", "a text within a text", frame(TEXT, b"1", fin=False) + frame(TEXT, b"2"))
    for place, (how, chop) in enumerate((("at once", 0), ("frame by frame", 15)), 19):
        yield Case(f"5.{place}", f"pings among five fragments, {how}", ANSWERED, _pings_among_fragments(chop))


def _nothing_to_continue() -> Iterator[Case]:
    for first, fin in ((9, True), (12, False)):
        wrong = frame(CONT, b"non-continuation payload", fin=fin) + frame(TEXT, HELLO)
        for place, (how, chop) in enumerate((("at once", 0), ("frame by frame", 30), ("byte by byte", 1)), first):
            yield at_once(f"5.{place}", f"a continuation of nothing, FIN {fin:d}, {how}", wrong, chop)
    whole = Part(fragments(TEXT, b"fragment1", b"fragment2"), messages=1)
    behind = Part(frame(CONT, b"fragment3", fin=False) + frame(TEXT, b"fragment4"))
    yield Case("5.15", "one after a whole message", ANSWERED, (whole, behind), PROTOCOL_ERROR)
    for place, fin in ((16, False), (17, True)):
        twice = (frame(CONT, b"fragment1", fin=fin) + fragments(TEXT, b"fragment2", b"fragment3")) * 2
        yield at_once(f"5.{place}", f"one before a whole message, FIN {fin:d}, twice", twice)


def _pings_among_fragments(chop: int) -> tuple[Part, ...]:
    one, two = b"pongme 1!", b"pongme 2!"
    first = frame(TEXT, b"fragment1", fin=False) + frame(CONT, b"fragment2", fin=False) + frame(PING, one)
    second = frame(CONT, b"fragment3", fin=False) + frame(CONT, b"fragment4", fin=False) + frame(PING, two)
    rest = second + frame(CONT, b"fragment5")
    return Part(first, pongs=(one,), chop=chop), Part(rest, messages=1, pongs=(two,), chop=chop)


def utf8() -> Iterator[Case]:
    def valid(number: str, about: str, data: bytes) -> Case:
        return Case(number, about, ANSWERED, (Part(data, messages=1),))

    hello = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield valid("6.1.1", "an empty text", frame(TEXT))
    yield valid("6.1.2", "three empty fragments", fragments(TEXT, b"", b"", b""))
    yield valid("6.1.3", "empty fragments around one that is not", fragments(TEXT, b"", b"middle frame payload", b""))
    yield valid("6.2.1", "in one fragment", frame(TEXT, hello))
    yield valid("6.2.2", "fragments between characters", fragments(TEXT, hello[:14], hello[14:]))
    yield valid("6.2.3", "a fragment for each byte", fragments(TEXT, *(bytes([byte]) for byte in hello)))
    yield valid("6.2.4", "the same in Greek", fragments(TEXT, *(bytes([byte]) for byte in TEXT_IN_GREEK)))
    yield from _invalid_early()
    for chapter, (about, sequences) in enumerate(SEQUENCES, 5):
        for place, (right, text) in enumerate(sequences, 1):
            number = f"6.{chapter}.{place}"
            if right:
                yield valid(number, about, frame(TEXT, text))
            else:
                yield Case(number, about, AS_IT_IS, (Part(frame(TEXT, text)),), INVALID)


def _invalid_early() -> Iterator[Case]:
    surrogate = TEXT_IN_GREEK + b"\xed\xa0\x80edited"
    yield Case("6.3.1", "no text, in one frame", AS_IT_IS, (Part(frame(TEXT, surrogate)),), INVALID)
    bytewise = fragments(TEXT, *(bytes([byte]) for byte in surrogate))
    yield Case("6.3.2", "no text, a fragment for each byte", AS_IT_IS, (Part(bytewise),), INVALID)
    # Beyond Unicode: the second part makes it wrong, and the third one, which would end it, is never sent.
    outside = TEXT_IN_GREEK + b"\xf4\x90\x80\x80edited"
    for place, cut in ((1, len(TEXT_IN_GREEK)), (2, 12)):
        end = cut + (4 if place == 1 else 1)
        early = Part(frame(TEXT, outside[:cut], fin=False)), Part(frame(CONT, outside[cut:end], fin=False))
        yield Case(f"6.4.{place}", "wrong from the second fragment on", AS_IT_IS, early, INVALID)
    whole = frame(TEXT, outside)
    head = len(whole) - len(outside)
    for place, (start, end) in enumerate(((11, 15), (12, 13)), 3):
        cuts = [0, head + start, head + end, len(whole)]
        pieces = tuple(Part(whole[one:two]) for one, two in pairwise(cuts))
        yield Case(f"6.4.{place}", "wrong from the second piece of a frame on", WHOLE_FRAMES, pieces, INVALID)


VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
INVALID_CODES = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]


def closing() -> Iterator[Case]:
    """What follows a close is not answered; RFC 6455 §5.5.1 has the code sent back."""

    def case(number: str, about: str, data: bytes, code: int = OK) -> Case:
        return Case(number, about, AS_IT_IS, (Part(data),), code, closes=True)

    yield Case("7.1.1", "a message, then a close", ANSWERED, (Part(frame(TEXT, b"Hello World!"), messages=1),))
    yield case("7.1.2", "two closes", close(1000) + frame(CLOSE))
    yield case("7.1.3", "a ping behind a close", close(1000) + frame(PING))
    yield case("7.1.4", "a text behind a close", close(1000) + frame(TEXT, b"Hello World!"))
    torn = frame(TEXT, b"fragment1", fin=False) + close(1000) + frame(CONT, b"fragment2")
    yield case("7.1.5", "a close between two fragments", torn)
    large = frame(TEXT, b"BAsd7&jh23" * 26215) + frame(TEXT, b"Hello World!") + close(1000) + frame(PING)
    yield Case("7.1.6", "a message of 256 KiB, then a close", LIMITED, (Part(large),), TOO_BIG, closes=True)
    yield case("7.3.1", "a close without a code", frame(CLOSE), 0)
    yield case("7.3.2", "half a code", frame(CLOSE, b"a"), PROTOCOL_ERROR)
    yield case("7.3.3", "a code", close(1000))
    yield case("7.3.4", "a code and a reason", close(1000, b"Hello World!"))
    yield case("7.3.5", "as long a reason as can be", close(1000, b"*" * 123))
    yield case("7.3.6", "one byte more", close(1000, b"*" * 124), PROTOCOL_ERROR)
    yield case("7.5.1", "a reason that is no text", close(1000, TEXT_IN_GREEK + b"\xed\xa0\x80edited"), INVALID)
    for place, code in enumerate(VALID_CODES, 1):
        yield case(f"7.7.{place}", f"a valid code, {code}", close(code), code)
    for place, code in enumerate(INVALID_CODES, 1):
        yield case(f"7.9.{place}", f"an invalid code, {code}", close(code), PROTOCOL_ERROR)
    for place, code in enumerate((5000, 65535), 1):
        yield case(f"7.13.{place}", f"a code that RFC 6455 leaves undefined, {code}", close(code), PROTOCOL_ERROR)


CASES = [
    *framing(), *pings(), *reserved_bits(), *opcodes(), *fragmentation(), *utf8(), *closing(),
]  # fmt: skip
