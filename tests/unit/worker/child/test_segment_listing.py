from email.utils import formatdate

from vidferry_worker.child.segment_listing import list_fragments, list_playlist_segments


def test_comments_of_a_list_do_not_count_and_missing_segments_are_not_asked_for() -> None:
    plain = "#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-GAP\n#EXTINF:1,\nb.ts\n#EXTINF:1,\nc.ts\n"
    listing = list_playlist_segments("http://a/b/c.m3u8", plain)

    assert listing == list_playlist_segments("http://a/b/c.m3u8", f"## made at {formatdate()}\n\n{plain}")
    assert listing
    assert listing.sample == ("http://a/b/a.ts", "http://a/b/c.ts")
    assert list_playlist_segments("http://a/", "#EXTM3U\n//[\n") is None


def test_of_a_long_list_some_segments_are_looked_at() -> None:
    names = [f"{number}.m4s" for number in range(1000)]
    stream = {"fragment_base_url": "http://a/b/", "fragments": [{"path": name} for name in names]}
    listing = list_fragments(stream)

    assert listing
    assert (listing.sample[0], listing.sample[-1], len(listing.sample)) == ("http://a/b/0.m4s", "http://a/b/999.m4s", 8)
    assert list_fragments({"fragments": lambda: None}) is None
    assert list_fragments({"fragments": range(10**12)}) is None


def test_parts_of_one_file_are_several_fragments() -> None:
    one, other = ({"url": "http://a/b.mp4", "byte_range": {"start": at, "end": 10}} for at in (0, 5))

    assert list_fragments({"fragments": [one]}) != list_fragments({"fragments": [other]})
