"""Field types with a format in the OpenAPI document. Values are passed on as they are stored, without parsing."""

from typing import Annotated

from pydantic import WithJsonSchema

Uuid = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Uri = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339"""
Int32 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int32"})]
Int64 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]
Double = Annotated[float, WithJsonSchema({"type": "number", "format": "double"})]
