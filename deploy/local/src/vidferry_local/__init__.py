"""Runs all of Vidferry on one machine: `make up`."""
