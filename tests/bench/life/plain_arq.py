"""arq as it comes, with a job that says that it has begun: `python -m arq bench.life.plain_arq.WorkerSettings`."""

import json
import os
from typing import Any, ClassVar

from arq.connections import RedisSettings


async def begin(ctx: dict[str, Any], job_id: str) -> None:
    message = {"data": {"job_id": job_id, "status": "processing"}}
    await ctx["redis"].publish(f"websocket:{job_id}", json.dumps(message))


class WorkerSettings:
    functions: ClassVar = [begin]
    redis_settings = RedisSettings(unix_socket_path=os.environ.get("PLAIN_ARQ_SOCKET"))
