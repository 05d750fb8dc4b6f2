"""Bundles: yt-dlp newer than the image's. They are found, tried, stored and switched to here.

A bundle is yt-dlp with its exactly pinned yt-dlp-ejs, as wheels. Nothing of it runs in this process.
"""
