"""Stored videos, in the bucket and in its index: what both say of them, and their removal from both."""
