"""`status --openmetrics`, as the parser of Prometheus' own library reads it."""

import pytest


@pytest.fixture
def samples(aivcs):
    parser = pytest.importorskip(
        "prometheus_client.openmetrics.parser", reason="prometheus-client is not installed"
    )

    def read():
        text = aivcs.ok("status", "--openmetrics").out.decode()
        assert text.endswith("# EOF\n")
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples
        }

    return read


def test_an_empty_store(samples):
    assert samples() == {
        ("aivcs_blobs",): 0, ("aivcs_damaged_logs",): 0,
        ("aivcs_runs", "running"): 0, ("aivcs_runs", "completed"): 0,
        ("aivcs_runs", "failed"): 0, ("aivcs_runs", "cancelled"): 0,
    }  # fmt: skip


def test_runs_and_releases(aivcs, release, samples):
    aivcs.begin()
    aivcs.ok("run", "finish", aivcs.begin(), "--exit-code", "1")
    first = release("one", "--label", 'v"1\\')
    second = release("two", name="team/other")
    aivcs.ok("release", "block", "team/other", second, "--reason", "bad")
    found = samples()
    assert found["aivcs_runs", "running"] == 1
    assert found["aivcs_runs", "failed"] == 1
    assert found["aivcs_release_info", "coder", first, 'v"1\\'] == 1
    assert found["aivcs_release_seq", "team/other"] == 1
    assert found["aivcs_release_blocked", "coder"] == 0
    assert found["aivcs_release_blocked", "team/other"] == 1
    created = aivcs.ok("release", "current", "coder", "--json").json["created_at"]
    shell = aivcs.shell('date -u -d "$1" +%s.%6N', created).text
    assert found["aivcs_release_live_since_timestamp_seconds", "coder"] == float(shell)


def test_is_one_format(aivcs):
    assert b"two formats" in aivcs("status", "--openmetrics", "--json", code=2).err
