"""Which of yt-dlp's extractors make an id of a base name: an upgrade that adds one must be noticed."""

import ast
from pathlib import Path

import yt_dlp.extractor

from vidferry_worker.child.identity import EXTRACTORS_WITH_PARTIAL_IDS, EXTRACTORS_WITHOUT_IDS


def classes_that_call(name: str) -> set[str]:
    """Extractors in whose body that method is called, by the key that yt-dlp gives them."""
    found = set()
    for path in Path(yt_dlp.extractor.__file__).parent.rglob("*.py"):
        text = path.read_text()
        if f"{name}(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == name
                for call in ast.walk(node)
            ):
                found.add(node.name.removesuffix("IE"))
    return found


def test_all_of_them_are_identified_by_their_address() -> None:
    assert classes_that_call("_generic_id") == EXTRACTORS_WITHOUT_IDS - {"QuotedHTML"}


def test_those_whose_ids_count_within_a_part_of_a_site_are_yt_dlps() -> None:
    assert {each.ie_key() for each in yt_dlp.extractor.gen_extractor_classes()} >= EXTRACTORS_WITH_PARTIAL_IDS
