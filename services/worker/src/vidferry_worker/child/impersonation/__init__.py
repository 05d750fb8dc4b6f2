"""Requests as a browser sends them, by libcurl on the broker's sockets: yt-dlp's handler for its impersonate targets.

curl_cffi is used here alone.
"""
