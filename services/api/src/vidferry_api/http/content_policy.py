"""Content-Security-Policies for responses other than the web page."""

DENY_ALL = "default-src 'none'; frame-ancestors 'none'"
"""for responses that are not shown"""
SANDBOXED = "default-src 'none'; sandbox"
"""for files and pictures from other sites: browsers may show or save them, but run nothing in them"""
