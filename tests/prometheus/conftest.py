from support.origin.fixture import origin, site

__all__ = ["origin", "site"]
