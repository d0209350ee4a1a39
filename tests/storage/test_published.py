"""What others published is taken by its digest alone."""

import pytest

from reelm.errors import RequestError
from reelm.storage import published


def test_a_published_file_is_known_by_its_digest(tmp_path):
    name, digest = "of-a-test-1.0.0.tgz", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    published.digests()[name] = digest
    (tmp_path / name).write_bytes(b"a")
    published.check_published(tmp_path / name)
    (tmp_path / name).write_bytes(b"b")
    with pytest.raises(RequestError, match=f"sha256 is not {digest}; fetch it again"):
        published.check_published(tmp_path / name)
    (tmp_path / "of-a-test-1.0.1.tgz").write_bytes(b"b")
    published.check_published(tmp_path / "of-a-test-1.0.1.tgz")
