"""yt-dlp's log lines as events."""

from vidferry_worker.child.channel import Channel
from vidferry_worker.children.protocol import MAX_TEXT, LogLine


class EventLogger:
    """yt-dlp's logger: sends messages as events."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def debug(self, text: str) -> None:
        self._channel.send_event(LogLine(text[:MAX_TEXT]))

    info = warning = error = debug
