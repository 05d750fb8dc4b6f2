"""Builds the images of Vidferry's services: `make images`."""
