from unit.common.metrics.conftest import own_redis, product

__all__ = ["own_redis", "product"]
