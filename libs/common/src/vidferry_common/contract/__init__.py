"""The contract between the services: stages, messages, keys, records, error and close codes.

Nothing outside this package spells one of them.
"""
