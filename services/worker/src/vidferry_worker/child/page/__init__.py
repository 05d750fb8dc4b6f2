"""Finds the video of a web page as a browser would: pure functions over its text, and the page's context."""
