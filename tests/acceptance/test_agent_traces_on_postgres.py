"""The acceptance tests with real traces, unchanged, over a store in PostgreSQL."""

import pytest
from acceptance.test_agent_traces import (
    deployed,
    pytestmark,
    test_every_event_comes_back_as_jq_reads_it,
    test_two_rollbacks_lead_back_to_the_first,
    test_what_two_configurations_did_differently_is_what_jq_finds,
)
from servers import postgres

server, database = postgres.server, postgres.database
__all__ = [
    "deployed",
    "pytestmark",
    "test_every_event_comes_back_as_jq_reads_it",
    "test_two_rollbacks_lead_back_to_the_first",
    "test_what_two_configurations_did_differently_is_what_jq_finds",
]


@pytest.fixture
def aivcs(server, database, outside):
    plain = outside.environment
    url = server.url(database)
    outside.environment = lambda **changes: plain(**{"AIVCS_STORE": url, **changes})
    yield outside
    assert outside.ok("verify").out == b""
