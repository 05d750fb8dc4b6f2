from uuid import uuid4

import pytest

from support.backstage import Backstage
from vidferry_common.bucket import StoredObject


@pytest.fixture
def stored(backstage: Backstage) -> StoredObject:
    return backstage.put(f"videos/test/example.org/{uuid4()}/1080-any", b"0123456789", filename="Ein Test.mp4")
