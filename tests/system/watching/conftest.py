from support.gateway_fixtures import (
    impatient_gateway,
    job,
    redis,
    shared_gateway,
    shared_redis,
    start_gateway,
    store_of,
)

__all__ = ["impatient_gateway", "job", "redis", "shared_gateway", "shared_redis", "start_gateway", "store_of"]
