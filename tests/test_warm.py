"""A call that is served by a warm process is told from one of a process of its own by nothing."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def served(aivcs):
    assert aivcs.is_warm
    aivcs("--version")
    assert aivcs.server is not None
    return aivcs


def both(aivcs, monkeypatch, *arguments, **options):
    """What a warm and a real process answer."""
    warm = aivcs(*arguments, **options)
    with monkeypatch.context() as patch:
        patch.setattr(type(aivcs), "is_warm", False)
        real = aivcs(*arguments, **options)
    return [(done.code, done.out, done.err) for done in (warm, real)]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("--version",), {}),
        ((), {}),
        (("run", "log", "--help"), {}),
        (("nosuch",), {}),
        (("blob", "put"), {}),
        (("run", "log", "", "k"), {}),
        (("blob", "get", "0" * 64), {}),
        (("blob", "get", "0" * 64, "--json"), {}),
        (("blob", "put", "-"), {"stdin": b"x" * 300_000}),
        (("blob", "put", "gr\xfc\xdfe \udcff"), {}),
        (("config", "list", "--show-origin"), {"env": {"XDG_CONFIG_HOME": "/nonexistent"}}),
        (("config", "get", "core.lock_timeout"), {"env": {"AIVCS_LOCK_TIMEOUT": "7"}}),
        (("status",), {"cwd": "/"}),
        (("-C", "/", "status"), {}),
        (("verify", "--json"), {}),
        (("run", "list"), {"env": {"HOME": None}}),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_answers_as_a_process_of_its_own(served, monkeypatch, arguments, options):
    warm, real = both(served, monkeypatch, *arguments, **options)
    assert warm == real


def test_a_call_leaves_nothing_behind(served):
    served.ok("run", "list", "--json", env={"AIVCS_LOCK_TIMEOUT": "9", "NO_COLOR": "1"})
    assert served("-C", "/", "status", code=10).complaint
    assert served.ok("config", "get", "core.lock_timeout").text == "30"
    assert served("blob", "get", "0" * 64, code=12).complaint  # and no JSON


def test_calls_at_once_do_not_mix(served):
    with ThreadPoolExecutor(8) as pool:
        contents = [b"%d" % number * 50_000 for number in range(24)]
        digests = list(pool.map(served.put, contents))
        back = pool.map(lambda digest: served.ok("blob", "get", digest).out, digests)
        assert list(back) == contents


def test_both_outputs_can_be_one(served):
    done = served("nosuch", stderr=subprocess.STDOUT, code=2)
    assert b"nosuch" in done.out
    assert done.err == b""


def test_modes_follow_the_umask(served):
    before = os.umask(0o077)
    try:
        served.ok("init", "sub")
    finally:
        os.umask(before)
    assert (served.folder / "sub").stat().st_mode & 0o777 == 0o700


def test_a_command_that_does_not_end_is_ended(served):
    with pytest.raises(subprocess.TimeoutExpired):
        served.server(
            ["run", "exec", "--agent", "a", "--spec-file", "/etc/hostname", "--", "sleep", "60"],
            cwd=served.folder, env=served.environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=2,
        )  # fmt: skip


@pytest.mark.parametrize("options", [{"env": {"LC_ALL": "C"}}, {"preexec_fn": int}])
def test_what_it_cannot_stand_in_for_gets_a_process(served, monkeypatch, options):
    monkeypatch.setattr(type(served), "server", NeverCalled(served.server))
    served.ok("--version", **options)


class NeverCalled:
    def __init__(self, server):
        self.serves = server.serves

    def __call__(self, *arguments, **options):
        pytest.fail("a process was wanted")
