"""Probes: what a URL leads to, before anything is fetched."""
