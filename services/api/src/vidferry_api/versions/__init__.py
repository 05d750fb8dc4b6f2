"""Tells which versions run."""
