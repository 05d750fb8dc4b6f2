"""HLS playlists (RFC 8216 and its successor, draft-pantos-hls-rfc8216bis) as text: nothing here knows yt-dlp.

yt-dlp reads the tags that most lists have. What it doesn't know is written in those tags before it reads the list.
"""
