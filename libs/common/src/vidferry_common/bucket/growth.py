"""What an upload learns of a file that is still written: that there may be more of it, and whether it may be used."""

import threading

GLANCE = 0.5
"""seconds after which a file is looked at that nobody told anything of"""


class Growth:
    """Told by the file's owner, waited for by one upload's thread. Until `complete` the last chunk is withheld."""

    def __init__(self) -> None:
        self._news = threading.Event()
        self.is_complete = False
        self.is_given_up = False

    def tell(self) -> None:
        """There may be more of the file."""
        self._news.set()

    def complete(self) -> None:
        """All of it is there and stays as it is: the upload may end."""
        self.is_complete = True
        self._news.set()

    def give_up(self) -> None:
        """The file is not wanted after all: the upload ends with BucketError, and nothing appears."""
        self.is_given_up = True
        self._news.set()

    def wait(self) -> None:
        """Returns with the next news, or after GLANCE seconds."""
        self._news.wait(GLANCE)
        self._news.clear()
