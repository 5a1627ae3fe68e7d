"""Deploying from a store in PostgreSQL, also while the server is away."""

import os
import subprocess
import time

import pytest
from servers.postgres import Server, need_programs


@pytest.fixture(scope="module")
def server():
    running = Server(need_programs())
    yield running
    running.end()


@pytest.fixture
def remote(outside, server):
    """The command with a store on the server."""
    outside.url = server.url(server.store())
    plain = outside.environment
    outside.environment = lambda **changes: plain(**{"AIVCS_STORE": outside.url, **changes})
    return outside


def release(command, prompt, *options):
    prompts = command.folder / "prompts"
    prompts.mkdir(exist_ok=True)
    (prompts / "main.md").write_text(prompt)
    spec = command.ok("spec", "create", "--prompts", "prompts").text
    command.ok("release", "promote", "coder", spec, *options)
    return spec


def until(happened):
    end = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_waits_watches_and_checks_out(remote):
    spec = release(remote, "one", "--label", "v1")
    assert remote.ok("release", "wait", "coder", "v1").text == spec
    words = ["release", "watch", "--once", "--state", "s", "coder", "--exec"]
    done = remote.ok(*words, "sh", "-c", 'echo "$AIVCS_RELEASE_LABEL $AIVCS_STORE"')
    assert done.text == f"v1 {remote.url}"
    assert remote.ok(*words, "echo", "again").out == b""
    remote.ok("release", "checkout", "coder", "out")
    assert (remote.folder / "out/current/prompts/main.md").read_text() == "one"
    event = remote.ok("release", "watch", "--once", "--json", "coder").json
    assert event["source"].startswith("postgresql://")


def test_a_watch_outlasts_a_server_that_is_away(remote, server):
    (remote.home / ".config/aivcs").mkdir(parents=True)
    (remote.home / ".config/aivcs/config.toml").write_text("[remote]\ntimeout = 1.0\n")
    deployed = remote.folder / "deployed"
    release(remote, "one", "--label", "v1")
    watch = remote.start(
        "release", "watch", "coder", "sh", "-c", 'echo "$AIVCS_RELEASE_LABEL" >>deployed',
        stderr=subprocess.PIPE,
    )  # fmt: skip
    os.set_blocking(watch.stderr.fileno(), False)
    told = b""

    def says(text):
        nonlocal told
        told += watch.stderr.read() or b""
        return text in told

    try:
        until(deployed.exists)
        server.stop()
        until(lambda: says(b"the watch goes on"))
        server.start()
        until(lambda: says(b"can be reached again"))
        release(remote, "two", "--label", "v2")
        until(lambda: deployed.read_text() == "v1\nv2\n")
        assert watch.poll() is None
    finally:
        watch.kill()
        watch.communicate()


def test_a_report_and_a_page_of_it(remote):
    release(remote, "one", "--label", "v1", "--by", "ada")
    page = remote.ok("report").out
    assert b"v1" in page
    assert b"ada" in page
    assert remote.url.encode() not in page
