"""Which form of the metrics a scraper gets (RFC 9110 §12.5.1)."""

from vidferry_common.metrics.registry import Form

_OPENMETRICS, _VERSIONS = "application/openmetrics-text", {"", "1.0.0"}
_TEXT = {"text/plain", "text/*", "*/*"}


def choose_form(accept: str) -> Form:
    """OpenMetrics for who accepts it no less gladly than text, as Prometheus does; text for everybody else."""
    openmetrics = text = 0.0
    for each in accept.lower().split(","):
        media_type, *pairs = (part.strip() for part in each.split(";"))
        parameters = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        weight = _parse_weight(parameters.get("q", "1"))
        if media_type == _OPENMETRICS and parameters.get("version", "").strip('"') in _VERSIONS:
            openmetrics = max(openmetrics, weight)
        elif media_type in _TEXT:
            text = max(text, weight)
    return Form.OPENMETRICS if openmetrics and openmetrics >= text else Form.TEXT


def _parse_weight(text: str) -> float:
    """From 0 to 1; 0 where it is no weight."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
