"""Fixtures for stores on servers: the command over S3, and a PostgreSQL server."""

import uuid

import pytest
from servers import postgres
from servers.s3 import BUCKET

server, own_server, database = postgres.server, postgres.own_server, postgres.database


@pytest.fixture
def command_over(command_in, tmp_path):
    """Returns what makes the command use a store of its own on a server.

    The store is named by AIVCS_STORE; `prefix` is that of its keys.
    """

    def command_over(running, url=None, prefix=None):
        folder, home = tmp_path / "project", tmp_path / "home"
        folder.mkdir(exist_ok=True)
        home.mkdir(exist_ok=True)
        command = command_in(folder, home)
        plain = command.environment
        command.environment = lambda **changes: plain(**{**command.variables, **changes})
        command.prefix = prefix or f"c/{uuid.uuid4().hex}"
        command.url = f"s3://{BUCKET}/{command.prefix}"
        command.variables = {**running.environment(url), "AIVCS_STORE": command.url}
        return command

    return command_over
