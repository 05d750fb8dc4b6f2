"""Tells what a client needs to sign in."""
