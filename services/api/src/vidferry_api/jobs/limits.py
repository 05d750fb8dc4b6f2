"""The limits of an owner on what a request asks for."""

from vidferry_api.access.principal import OwnerLimits
from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.formats import AUDIO_CONTAINERS, Format, Quality


def limit_format(fmt: Format, limits: OwnerLimits) -> Format:
    """The format within the owner's best quality. Raises Problem if the caller asked for more lines than that.

    `best`, and a quality that was left out, mean the best that the caller may have, so they are lowered.
    """
    if not limits.max_quality or fmt.quality is Quality.AUDIO:
        return fmt
    best = parse_quality(limits.max_quality)
    if best is Quality.BEST or (fmt.quality.lines is not None and fmt.quality.lines <= (best.lines or 0)):
        return fmt
    is_too_good = fmt.quality is not Quality.BEST and "quality" in fmt.model_fields_set
    if is_too_good or (best is Quality.AUDIO and fmt.container not in AUDIO_CONTAINERS):
        raise Problem(
            ProblemCode.FORBIDDEN,
            f"The best quality for this API key or token is {best.value}. Ask for that, for less, or for `best`.",
        )
    return Format(quality=best, container=fmt.container)


def parse_quality(text: str) -> Quality:
    """The quality that a limit names, such as `1080p` or `1080`. ValueError where it is none."""
    return Quality(text.strip().lower().removesuffix("p"))
