"""The code of the zygote and of the children that it forks: everything that handles untrusted input.

The parent imports nothing from here, and nothing here knows Redis, the bucket or a secret.
"""
