"""HLS playlists (RFC 8216 and its successor, draft-pantos-hls-rfc8216bis) as text: nothing here knows yt-dlp.

yt-dlp reads only the most common tags. Playlists are rewritten in these tags before yt-dlp reads them.
"""
