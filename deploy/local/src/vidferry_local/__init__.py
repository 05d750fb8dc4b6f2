"""Runs all of Vidferry on one machine with one command."""
