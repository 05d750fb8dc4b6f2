"""Which yt-dlp the operator wants: what pip is asked for, and what of its answer is taken."""

from dataclasses import dataclass

from vidferry_worker.bundles.versions import is_newer, normalize

IMAGE, STABLE, NIGHTLY = "image", "stable", "nightly"


@dataclass(frozen=True, slots=True)
class BundlePolicy:
    """VIDFERRY_YTDLP and VIDFERRY_YTDLP_HOLD."""

    wanted: str = IMAGE
    """IMAGE, STABLE, NIGHTLY, or a version"""
    hold: frozenset[str] = frozenset()
    """versions never to take"""

    @classmethod
    def parse(cls, wanted: str, hold: tuple[str, ...] = ()) -> "BundlePolicy":
        """Of the settings, which have been checked."""
        return cls(normalize(wanted), frozenset(map(normalize, hold)))

    @property
    def is_on(self) -> bool:
        """Whether a yt-dlp other than the image's may be taken."""
        return self.wanted != IMAGE

    @property
    def exact(self) -> str:
        """The one version that is wanted; empty where it is the newest one."""
        return "" if self.wanted in {IMAGE, STABLE, NIGHTLY} else self.wanted

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"yt-dlp=={self.exact}" if self.exact else "yt-dlp"

    @property
    def takes_prereleases(self) -> bool:
        """Whether a nightly build will do."""
        return self.wanted == NIGHTLY or "dev" in self.exact

    def suits(self, version: str, image: str) -> bool:
        """Whether a worker whose image has another version runs this one where the fleet does.

        The image may be newer than what was published before it, and the operator may want the image's version.
        """
        if version in self.hold:
            return False
        return self.exact != image if self.exact else is_newer(version, image)

    def is_new(self, version: str, image: str, current: str) -> bool:
        """Whether a version is to be taken in the place of what the fleet runs.

        current: empty where the fleet runs the image's. The newest one is taken only where it is newer than the
        image's: an index may be a mirror that is behind.
        """
        if version == (current or image):
            return False
        return bool(self.exact) or is_newer(version, image)
