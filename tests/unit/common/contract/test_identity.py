import re

import pytest

from vidferry_common.contract.identity import Identity, digest, site_of, thumbnail_beside

SAFE_NAME = re.compile(r"videos(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){4}")


def video(video_id: str, *, extractor: str = "generic", domain: str = "example.com") -> Identity:
    return Identity(extractor, domain, video_id, by_url=extractor == "generic")


def end(identity: Identity) -> str:
    """What a name ends with, but for the format."""
    return identity.folder().split("/")[3]


def test_names_stay_what_they_are() -> None:
    """A changed name would orphan every object that is in somebody's bucket."""
    tube = video("dQw4w9WgXcQ", extractor="youtube", domain="youtube.com")
    clip = video("https://example.com/a/clip.mp4")

    assert tube.object_name("1080-any") == "videos/youtube/youtube.com/dQw4w9WgXcQ/1080-any"
    assert thumbnail_beside(tube.object_name("1080-any")) == "videos/youtube/youtube.com/dQw4w9WgXcQ/thumbnail"
    assert (
        clip.object_name("best-mkv") == "videos/generic/example.com/x-3a4d1639bd10b80c410f58e9ccea8e87df501b8d/best-mkv"
    )
    assert digest("a", "b") == "3c9d591045bc8876f9d0399bbfb05c6a412096e9"


def test_one_file_name_under_two_addresses_makes_two_objects() -> None:
    names = {
        video(address).object_name("1080-any")
        for address in (
            "https://example.com/a/clip.mp4",
            "https://example.com/b/clip.mp4",
            "https://example.com/a/clip.mp4?v=2",
            "http://example.com/a/clip.mp4",
        )
    }
    assert len(names) == 4


def test_one_video_in_two_formats_makes_two_objects_in_one_folder() -> None:
    tube = video("abc", extractor="youtube", domain="youtube.com")

    assert tube.object_name("1080-any") != tube.object_name("720-any")
    assert tube.object_name("1080-any").rpartition("/")[0] == tube.object_name("720-any").rpartition("/")[0]


def test_equal_ids_of_two_sites_are_two_videos() -> None:
    assert video("1", domain="a.example").folder() != video("1", domain="b.example").folder()
    assert video("1", extractor="x").folder() != video("1", extractor="y").folder()


@pytest.mark.parametrize(
    "video_id",
    [
        "..", ".", "", "../../etc/passwd", "a/b", "a\\b", "a b", "-rf", ".hidden", "a.", "ünï", "видео", "🌅",
        "a\nb", "a\x00b", "a" * 101, "a?b", "a#b", "a%2fb", "\ud800", "a\n",
    ],
)  # fmt: skip
def test_unsafe_ids_are_hashed(video_id: str) -> None:
    name = video(video_id, extractor="site").object_name("1080-any")

    assert SAFE_NAME.fullmatch(name)
    assert re.fullmatch(r"h-[0-9a-f]{40}", name.split("/")[3])


def test_no_id_is_named_as_an_address_a_page_or_a_digest_is() -> None:
    address = "https://a.example/x"
    kinds = [
        Identity.of_url(address),
        Identity("generic", "a.example", address),
        Identity("generic", "a.example", "1", page=address),
        Identity("generic", "a.example", f"{address} 1"),
    ]
    kinds += [Identity("generic", "a.example", end(each)) for each in kinds]

    assert len({each.folder() for each in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.a.example/x", "a.example"), ("http://A.example.:80/x", "a.example"),
        ("https://b.a.example/x", "b.a.example"), ("https://a.example:8000/x", "a.example:8000"),
        ("http://[::1]:8000/x", "[::1]:8000"), ("http://[::1:8000]/x", "::1:8000"),
        ("https://youtube.com@b.example/x", "b.example"),
        ("https://youtu.be/x", "youtube.com"), ("https://youtu.be:8000/x", "youtu.be:8000"),
        ("kaltura:1:2", ""), ("abc", ""), ("//[x", ""), ("https://a.example:x/", ""),
    ],
)  # fmt: skip
def test_the_site_of_a_url(url: str, site: str) -> None:
    assert site_of(url) == site


@pytest.mark.parametrize("video_id", ["dQw4w9WgXcQ", "_x", "0", "a-b_c.d", "a" * 100])
def test_safe_ids_stay_readable(video_id: str) -> None:
    assert video(video_id, extractor="site").folder().split("/")[3] == video_id


def test_hostile_domains_and_extractors_are_hashed_too() -> None:
    assert SAFE_NAME.fullmatch(video("1", extractor="a/../b", domain="[::1]").object_name("1080-any"))


def test_no_other_split_of_the_strings_has_the_digest() -> None:
    splits = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("abc",), ("a", "b", "c")]

    assert len({digest(*parts) for parts in splits}) == len(splits)
