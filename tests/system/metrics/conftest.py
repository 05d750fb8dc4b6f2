from unit.common.metrics.conftest import product

__all__ = ["product"]
