from uuid import uuid4

import pytest

from support.backstage import Backstage
from vidferry_common.bucket import StoredObject

CONTENT = bytes(range(256)) * 1024
TITLE = "Ein „Test“ – 動画 \u202e4pm.mp4"


@pytest.fixture
def stored(backstage: Backstage) -> StoredObject:
    return backstage.put(f"videos/test/example.org/{uuid4()}/1080-any", CONTENT, filename=TITLE)


@pytest.fixture
def link(backstage: Backstage, stored: StoredObject) -> str:
    return backstage.sign(stored).url
