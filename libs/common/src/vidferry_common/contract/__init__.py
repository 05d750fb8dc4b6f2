"""The contract between the services: stages, messages, results, keys, error and close codes.

No other package writes one of them out.
"""
