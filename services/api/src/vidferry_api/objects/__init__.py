"""Stored videos: their list, their documents and files; and the files of a folder bucket by their signed links."""
