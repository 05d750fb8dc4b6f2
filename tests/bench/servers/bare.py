"""The floor: `send` of prebuilt frames to each socket, and nothing else. No Redis, no loop of events.

Says its port, then for each line of stdin, `<frames a second> <seconds>`, sends that many and says how many it sent.
"""

import socket
import sys
import time

from bench.jobs import body
from vidferry_common.contract.messages import JOB_MARK, ROOT_MARK
from vidferry_gateway import frames

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
JOB = b"6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"
BODY = body().replace(ROOT_MARK.encode(), b"http://localhost:3001").replace(JOB_MARK.encode(), JOB)
TICK = 0.001
ENVELOPE = (
    b'{"v":1,"type":"status","cursor":"0123abcd-17","traceparent":'
    b'"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","data":{"job_id":'
    b'"6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40","seq":17,%b}}'
)


def frame() -> bytes:
    filled = BODY.replace(b"0" * 20, b"%020d" % time.monotonic_ns())
    return frames.text_frame(ENVELOPE % filled)


def main() -> None:
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        print(listener.getsockname()[1], flush=True)
        for _ in range(int(sys.argv[1])):
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while b"\r\n\r\n" not in client.recv(4096):
                pass
            client.sendall(ANSWER)
            client.setblocking(False)
            clients.append(client)
        for order in sys.stdin:
            rate, seconds = map(float, order.split())
            print(_send(clients, rate, seconds), flush=True)


def _send(clients: list[socket.socket], rate: float, seconds: float) -> int:
    sent, began = 0, time.monotonic()
    while sent < int(rate * seconds):
        due = min(int((time.monotonic() - began) * rate), int(rate * seconds))
        message = frame()
        for number in range(sent, due):
            clients[number % len(clients)].send(message)
        sent = due
        time.sleep(TICK)
    return sent


if __name__ == "__main__":
    main()
