"""What the services count, and the port on which Prometheus reads it.

A metric is defined once, in catalogue.py. A service makes a Registry, takes its instruments from there and counts with
plain integers; prometheus_client writes them out when somebody asks.
"""

from vidferry_common.metrics import catalogue
from vidferry_common.metrics.admin import AdminServer, AdminSettings, PortTaken
from vidferry_common.metrics.bucket_calls import BucketCalls
from vidferry_common.metrics.busiest_sites import BusiestSites
from vidferry_common.metrics.clocks import ClockOffset, NegativeLatencies
from vidferry_common.metrics.instruments import Counter, Histogram
from vidferry_common.metrics.registry import Registry

__all__ = [
    "AdminServer",
    "AdminSettings",
    "BucketCalls",
    "BusiestSites",
    "ClockOffset",
    "Counter",
    "Histogram",
    "NegativeLatencies",
    "PortTaken",
    "Registry",
    "catalogue",
]
