"""Types of fields whose format the OpenAPI document tells. What is stored is passed on as it is, and not parsed."""

from typing import Annotated

from pydantic import WithJsonSchema

Uuid = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Uri = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339"""
Int32 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int32"})]
Int64 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]
Double = Annotated[float, WithJsonSchema({"type": "number", "format": "double"})]
