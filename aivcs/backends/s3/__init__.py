"""A store on S3: objects that are created once, and no lock but for those who erase."""

from aivcs.backends.s3.backend import S3Backend as S3Backend
