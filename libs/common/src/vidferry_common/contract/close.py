"""Close codes of the gateway's WebSockets and event streams. From 4500 up a client does not try again."""

from enum import IntEnum


class CloseCode(IntEnum):
    """The close codes (RFC 6455 §7.4); 4000–4999 are the application's own."""

    ENDED = 1000
    """the job has ended and its last state was sent"""
    DRAINING = 1012
    """this process stops; reconnect, with jitter"""
    REDIS_AWAY = 1013
    """Redis can't be reached; reconnect"""
    TOO_SLOW = 4008
    """the client did not read; reconnect"""
    TICKET_EXPIRED = 4401
    """the ticket's time is over; read the job again and connect to its new ws_url"""
    TOO_MANY = 4429
    """too many sockets; reconnect later"""
    TICKET_INVALID = 4501
    """the ticket is missing, or not valid for this"""
    ORIGIN_REFUSED = 4503
    """pages of this origin may not watch"""
    NO_SUCH_JOB = 4504
    """no such job, or not yours"""
