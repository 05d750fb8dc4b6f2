"""Attributes that spans of several services share. docs/traces.md lists all of them."""

from vidferry_common.tracing.spans import Attributes


def messaging(operation: str, destination: str) -> Attributes:
    """Of a span that puts a job on a queue (`create`), or takes one from there (`process`)."""
    return {
        "messaging.system": "vidferry",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }
