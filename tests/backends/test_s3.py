"""A store on S3 passes every contract: over moto, a fake that starts quickly.

The contract of a backend is in the default run; the three of what a store keeps take minutes.
"""

import pytest
from backends.s3_contracts import BackendOverS3, BlobsOverS3, ReleasesOverS3, RunsOverS3, s3
from servers.s3 import fake

pytest.importorskip("obstore", reason="the extra s3 is not installed")

__all__ = ["s3"]
server = fake


class TestBackend(BackendOverS3):
    pass


@pytest.mark.slow
class TestBlobs(BlobsOverS3):
    pass


@pytest.mark.slow
class TestRuns(RunsOverS3):
    pass


@pytest.mark.slow
class TestReleases(ReleasesOverS3):
    pass
