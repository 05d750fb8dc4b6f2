from support.gateway_fixtures import (
    impatient_gateway,
    job,
    redis,
    shared_gateway,
    shared_redis,
    start_gateway,
    store_of,
)
from support.otlp_receiver import collector

__all__ = [
    "collector",
    "impatient_gateway",
    "job",
    "redis",
    "shared_gateway",
    "shared_redis",
    "start_gateway",
    "store_of",
]
