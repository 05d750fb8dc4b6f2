"""A file that is uploaded while it is still written: what its writer tells the upload."""

import threading

POLL_SECONDS = 0.5
"""after which the upload looks at the file although nobody told it anything"""


class GrowingFile:
    """What one upload knows of a file that is still written. Its last chunk is withheld until the file is complete."""

    def __init__(self) -> None:
        self._news = threading.Event()
        self.is_complete = False
        self.is_given_up = False

    def note_growth(self) -> None:
        """There may be more of the file."""
        self._news.set()

    def mark_complete(self) -> None:
        """All of the file is there and won't change: the upload may end."""
        self.is_complete = True
        self._news.set()

    def give_up(self) -> None:
        """The file is not wanted after all: the upload ends with BucketError and leaves no object."""
        self.is_given_up = True
        self._news.set()

    def wait_for_news(self) -> None:
        """Blocks until the writer tells something, for POLL_SECONDS at most."""
        self._news.wait(POLL_SECONDS)
        self._news.clear()
