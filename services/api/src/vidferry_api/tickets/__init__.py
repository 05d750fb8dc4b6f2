"""Tickets for all jobs of an owner."""
