"""A web site to download from: real media, real HTTP/1.1 on loopback, and every way a site can misbehave.

`Origin` is the server, `Site` one test's own corner of it; routes.py lists what lies under which path.
"""

from support.origin.pages import TITLES
from support.origin.server import Origin
from support.origin.site import Exchange, Gate, Site

__all__ = ["TITLES", "Exchange", "Gate", "Origin", "Site"]
