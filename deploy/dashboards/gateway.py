"""The dashboard *Gateway*: connections, messages, slow clients, the way to Redis, and what a process takes."""

from boards import Board, Rows
from panels import graph, of_component, process_panels, quantiles, rate, series
from vidferry_common.metrics import catalogue as m

ROWS: Rows = {
    "Connections": [
        graph("Sockets", "Connected WebSockets and event streams, by pod.", "short",
              [(f"sum by (pod) ({series(m.SOCKETS)})", "{{pod}}")], stacked=True),
        graph("Opened and joined", "New connections, and jobs that clients began to watch.", "ops",
              [(rate(m.SOCKETS_OPENED), "opened"), (rate(m.JOINS), "joined")]),
        graph("Closed", "By close code: 1000 job ended, 1001 client left, 1006 lost, 1012 drained, 4008 too slow.",
              "ops", [(rate(m.SOCKETS_CLOSED, "code"), "{{code}}")], stacked=True),
        graph("Slow clients", "Connections whose client has stopped reading, by pod.", "short",
              [(f"sum by (pod) ({series(m.SLOW_SOCKETS)})", "{{pod}}")]),
    ],
    "Messages": [
        graph("Message latency", "From the worker's timestamp to the write to the client; needs clocks in sync.", "s",
              quantiles(m.MESSAGE_LATENCY)),
        graph("Messages", "Received from Redis, written to clients, held for slow clients.", "ops",
              [(rate(m.MESSAGES_RECEIVED), "received"), (rate(m.MESSAGES_SENT), "sent"),
               (rate(m.MESSAGES_HELD), "held")]),
        graph("Messages for each one received", "Written for each one of Redis: how many watch a job.", "short",
              [(f"{rate(m.MESSAGES_SENT)} / ({rate(m.MESSAGES_RECEIVED)} > 0)", "watchers")]),
        graph("Bytes for slow clients", "That wait in the process.", "bytes", [(series(m.SLOW_BYTES), "{{pod}}")]),
    ],
    "Redis": [
        graph("Connected", "1 while the gateway is connected and subscribed.", "short",
              [(series(m.REDIS_CONNECTED), "{{pod}}")], width=8),
        graph("Connections lost", "By reason; `behind` means that the gateway did not keep up.", "ops",
              [(rate(m.REDIS_LOST, "reason"), "{{reason}}")], width=8),
        graph("Round trip", "How long Redis takes to answer a probe.", "s",
              [(f"{series(m.REDIS_ROUND_TRIP)} * {of_component('gateway')}", "{{pod}}")], width=8),
    ],
    "Processes": process_panels("gateway"),
}  # fmt: skip
BOARD = Board(
    "gateway",
    "vidferry-gateway",
    "Vidferry: gateway",
    "What watchers get, and what it costs. The metrics are explained in docs/metrics.md.",
    ROWS,
)
