"""Looks: what a URL leads to, found out by a confined child that downloads nothing. Each kind has slots of its own."""
