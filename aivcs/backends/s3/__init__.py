"""A store on S3: objects that are created once, and nothing that needs a lock."""

from aivcs.backends.s3.backend import S3Backend as S3Backend
