"""Tickets: who signed them, for what, and until when; each has exactly one spelling."""

import re
import string
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode

import pytest
from pydantic import SecretStr

from vidferry_common.contract.tickets import Purpose, TicketExpired, TicketInvalid, TicketSigner, ticket_in_query

JOB, OTHER_JOB = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40", "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f41"
HOURS = 12 * 3600
NOW = 1_800_000_123.0
OLD, NEW, OTHER = (SecretStr(letter * 32) for letter in "onx")


def signer(*keys: SecretStr, lifetime: int = HOURS) -> TicketSigner:
    return TicketSigner(keys or (OLD,), lifetime)


@pytest.fixture
def ticket() -> str:
    return signer().make_job_ticket(Purpose.WATCH, JOB, NOW)


def refused(ticket: str, job_id: str = JOB, purpose: Purpose = Purpose.WATCH, now: float = NOW) -> bool:
    with pytest.raises(TicketInvalid):
        signer().check_job_ticket(ticket, purpose, job_id, now)
    return True


def test_a_ticket_is_for_one_purpose_and_one_job(ticket: str) -> None:
    signer().check_job_ticket(ticket, Purpose.WATCH, JOB, NOW)
    assert refused(ticket, OTHER_JOB)
    assert refused(ticket, JOB.upper())
    assert refused(ticket, purpose=Purpose.READ)
    assert refused(ticket, purpose=Purpose.WATCH_OWNER)


@pytest.mark.parametrize("lifetime", [0, 1, 7, 8, 3600, HOURS, 30 * 24 * 3600])
def test_it_is_valid_for_its_lifetime_and_ends_on_the_second(lifetime: int) -> None:
    checker = signer(lifetime=lifetime)
    ticket = checker.make_job_ticket(Purpose.READ, JOB, NOW)
    expiry = checker.expiry(NOW)
    assert NOW + lifetime - 1 < expiry <= NOW + lifetime + max(1, lifetime // 8)

    checker.check_job_ticket(ticket, Purpose.READ, JOB, expiry - 0.001)
    for late in (0, 1, 1e9):
        with pytest.raises(TicketExpired):
            checker.check_job_ticket(ticket, Purpose.READ, JOB, expiry + late)


def test_tickets_stay_the_same_for_an_eighth_of_their_lifetime() -> None:
    maker = signer()
    change = maker.next_expiry_change(NOW)
    assert 0 < change - NOW <= HOURS / 8
    made = [maker.make_job_ticket(Purpose.READ, JOB, now) for now in (NOW, change - 0.001, change)]
    assert made[0] == made[1] != made[2]
    assert maker.next_expiry_change(change) == change + HOURS // 8


def test_the_key_is_rotated_in_three_steps() -> None:
    """Both are listed with the old one first, then with the new one first, then the old one goes."""
    old = signer(OLD).make_job_ticket(Purpose.WATCH, JOB, NOW)
    new = signer(NEW, OLD).make_job_ticket(Purpose.WATCH, JOB, NOW)
    assert signer(OLD, NEW).make_job_ticket(Purpose.WATCH, JOB, NOW) == old
    for both in (signer(OLD, NEW), signer(NEW, OLD)):
        for each in (old, new):
            both.check_job_ticket(each, Purpose.WATCH, JOB, NOW)
    signer(NEW).check_job_ticket(new, Purpose.WATCH, JOB, NOW)
    for replayed, keys in ((old, [NEW]), (new, [OLD]), (old, [OTHER, NEW])):
        with pytest.raises(TicketInvalid):
            signer(*keys).check_job_ticket(replayed, Purpose.WATCH, JOB, NOW)


def changed_texts(ticket: str) -> dict[str, str]:
    """The ticket with something about it changed, by what that is."""
    expires, _, signature = ticket.partition(".")
    arabic = expires.translate(dict(zip(map(ord, string.digits), "٠١٢٣٤٥٦٧٨٩", strict=True)))
    wide = "".join(chr(0xFF10 + int(digit)) for digit in expires)
    raw = urlsafe_b64decode(signature + "=")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(signature[-1])
    equal_bits = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    twin = signature[:-1] + equal_bits[last ^ 1]  # two bits of the last character count for nothing
    assert urlsafe_b64decode(twin + "=") == raw
    return {
        "empty": "", "a dot": ".", "no dot": expires + signature, "only an expiry": f"{expires}.",
        "only a signature": f".{signature}", "later": f"{int(expires) + 1}.{signature}", "truncated": ticket[:-1],
        "padded": f"{ticket}=", "lengthened": f"{ticket}A", "space before": f" {ticket}", "line after": f"{ticket}\n",
        "NUL": f"{ticket}\0", "case": f"{expires}.{signature.swapcase()}", "twin in base64": f"{expires}.{twin}",
        "plain base64": f"{expires}.{b64encode(raw).decode()}", "hexadecimal": f"{expires}.{raw.hex()}",
        "zeros before": f"0{ticket}", "plus": f"+{ticket}", "minus": f"-{ticket}", "underscore": f"1_{ticket}",
        "float": f"{expires}.0.{signature}", "exponent": f"1e12.{signature}", "Arabic digits": f"{arabic}.{signature}",
        "wide digits": f"{wide}.{signature}", "huge expiry": f"{'9' * 5000}.{signature}",
        "huge": ticket + "A" * 1_000_000, "many dots": "." * 100_000, "two": f"{ticket},{ticket}",
        "subject moved": f"{expires}\n{JOB}.{signature}", "surrogate": f"{ticket[:-1]}\ud800",
    }  # fmt: skip


CHANGES = list(changed_texts(signer().make_job_ticket(Purpose.WATCH, JOB, NOW)))


@pytest.mark.parametrize("change", CHANGES)
def test_every_other_text_is_invalid(ticket: str, change: str) -> None:
    text = changed_texts(ticket)[change]
    began = time.perf_counter()
    assert refused(text)
    with pytest.raises(TicketInvalid):
        signer().check_owner_ticket(text, NOW)
    assert time.perf_counter() - began < 0.5


def test_an_expiry_is_not_read_before_the_signature_is_right() -> None:
    """The text of an expiry is a number of twelve digits at most, so that int() can't fail or take long."""
    for expires in ("9" * 12, "9" * 13, "0", "٣"):
        assert refused(f"{expires}.{'A' * 43}")


@pytest.mark.parametrize("owner", ["a", "team-a", "Team.B_2@example.org", "a" * 64, "1800000000", "a.b.c"])
def test_the_ticket_of_an_owner_names_it(owner: str) -> None:
    ticket = signer().make_owner_ticket(owner, NOW)
    assert signer().check_owner_ticket(ticket, NOW) == owner
    assert re.fullmatch(r"[A-Za-z0-9._@-]+", ticket), "it needs no escaping in a URL"
    assert refused(ticket), "it is no ticket for a job"
    with pytest.raises(TicketExpired):
        signer().check_owner_ticket(ticket, signer().expiry(NOW))
    for claimed in ("team-b", owner + "x", "", "*", owner.swapcase() if owner.swapcase() != owner else "b"):
        expires, _, rest = ticket.partition(".")
        forged = f"{expires}.{claimed}.{rest.rpartition('.')[2]}"
        with pytest.raises(TicketInvalid):
            signer().check_owner_ticket(forged, NOW)


@pytest.mark.parametrize("owner", ["", "a b", "a\nb", "a/b", "a&b", "ä", "*", "a" * 65, "a\n"])  # fmt: skip
def test_what_is_no_owner_gets_no_ticket(owner: str) -> None:
    with pytest.raises(ValueError, match="an owner is"):
        signer().make_owner_ticket(owner, NOW)


def test_the_dots_of_an_owner_move_nothing() -> None:
    """`<expiry>.<owner>.<signature>` is read in one way only, wherever an owner has dots."""
    ticket = signer().make_owner_ticket("a.b", NOW)
    expires, owner, signature = ticket.split(".", 1)[0], "a.b", ticket.rpartition(".")[2]
    assert ticket == f"{expires}.{owner}.{signature}"
    for moved in (f"{expires}.a.{signature}", f"{expires}.b.{signature}", f"{expires}.a.b.b.{signature}"):
        with pytest.raises(TicketInvalid):
            signer().check_owner_ticket(moved, NOW)


def test_an_owner_named_like_a_job_gets_no_ticket_for_it() -> None:
    ticket = signer().make_owner_ticket(JOB, NOW)
    expires, _, rest = ticket.partition(".")
    signature = rest.rpartition(".")[2]
    for purpose in Purpose:
        if purpose is not Purpose.WATCH_OWNER:
            assert refused(f"{expires}.{signature}", purpose=purpose)
    watch = signer().make_job_ticket(Purpose.WATCH, JOB, NOW)
    with pytest.raises(TicketInvalid):
        signer().check_owner_ticket(watch.replace(".", f".{JOB}."), NOW)


def test_an_encoded_owner_is_another_one() -> None:
    ticket = signer().make_owner_ticket("team-a", NOW)
    encoded = urlsafe_b64encode(b"team-a").decode().rstrip("=")
    with pytest.raises(TicketInvalid):
        signer().check_owner_ticket(ticket.replace("team-a", encoded), NOW)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", None),
        ("after=1", None),
        ("tickets=a&Ticket=b&ticket[]=c", None),
        ("ticket=a", "a"),
        ("after=1&%74icket=a", "a"),
        ("ticket=", ""),
        ("ticket", ""),
        ("ticket=a&ticket=a", ""),
        ("ticket=&ticket=a", ""),
        ("ticket=a;ticket=b", "a;ticket=b"),
        ("ticket=%ff%00", "\ufffd\0"),
    ],
)
def test_the_ticket_in_a_query(query: str, found: str | None) -> None:
    assert ticket_in_query(query) == found
