"""The part of the worker that touches what strangers send: the zygote and the children forked from it.

Nothing here is imported by the parent, and nothing here knows Redis, the bucket or a secret.
"""
