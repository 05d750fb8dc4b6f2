"""A process that publishes at an even pace, many commands in one write: what hundreds of workers do together."""

import socket
import time
from multiprocessing.connection import Connection

import hiredis

from bench.jobs import Published

TICK = 0.001


def run(pipe: Connection) -> None:
    """Takes (published, per second, seconds); answers with (published, Redis refused, own CPU seconds)."""
    while (order := pipe.recv()) is not None:
        pipe.send(_publish(*order))


def _publish(published: Published, rate: float, seconds: float) -> tuple[int, int, float]:
    began_cpu = time.process_time()
    with socket.socket(socket.AF_UNIX) as redis:
        redis.connect(published.socket_path)
        redis.setblocking(False)
        replies, answered, refused, sent = hiredis.Reader(), 0, 0, 0
        began = time.monotonic()
        while sent < int(rate * seconds) or answered < sent:
            due = min(int((time.monotonic() - began) * rate), int(rate * seconds))
            if due > sent:
                batch = b"".join(published.command(number % len(published.commands)) for number in range(sent, due))
                redis.setblocking(True)
                redis.sendall(batch)
                redis.setblocking(False)
                sent = due
            time.sleep(TICK)
            try:
                replies.feed(redis.recv(1 << 20))
            except BlockingIOError:
                continue
            while (reply := replies.gets()) is not False:
                answered += 1
                refused += not isinstance(reply, list)
    return sent, refused, time.process_time() - began_cpu
