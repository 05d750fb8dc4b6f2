"""Serves the objects of a folder bucket by signed links."""
