"""`release wait`: there, another one, or not in time."""

import pytest


@pytest.fixture
def wait(aivcs):
    return lambda *words, **options: aivcs("release", "wait", *words, **options)


def test_prints_what_is_live(aivcs, release, wait):
    spec = release("one", "--label", "v1")
    for words in (["coder"], ["coder", "v1"], ["coder@1"], ["coder", spec[:8]], ["coder", "@1"]):
        assert wait(*words, code=0).text == spec
    assert wait("coder", "--json", code=0).json["spec_digest"] == spec


@pytest.mark.parametrize("words", [[], ["v2"], ["--change"], ["abcd"], ["@7"]])
def test_ends_when_the_time_is_up(release, wait, words):
    if words:
        release("one")
    done = wait("coder", *words, "--timeout", "0.2", code=11)
    assert "did not come within 0.2 s" in done.complaint
    assert done.out == b""


def test_tells_that_the_awaited_one_was_replaced(release, wait):
    release("one")
    release("two")
    done = wait("coder", "@1", code=1)
    assert b"@1 was replaced by @2" in done.err


def test_an_entry_of_the_same_spec_is_as_good(aivcs, release, wait):
    release("one")
    spec = release("two")
    release("three")
    aivcs.ok("release", "rollback", "coder")
    assert wait("coder", "@2", code=0).text == spec


def test_a_blocked_spec_will_not_come(aivcs, release, wait):
    spec = release("one")
    release("two")
    aivcs.ok("release", "block", "coder", spec, "--reason", "leaks", "--by", "ada")
    done = wait("coder", spec, code=1)
    assert b"blocked by ada" in done.err
    aivcs.ok("release", "unblock", "coder", spec, "--reason", "fixed")
    wait("coder", spec, "--timeout", "0", code=11)


@pytest.mark.parametrize("words", [["v2"], ["--change"], ["@2"]])
def test_goes_on_when_it_comes(aivcs, release, words):
    release("one", "--label", "v1")
    process = aivcs.start("release", "wait", "coder", *words, "--timeout", "30", stdout=-1)
    spec = release("two", "--label", "v2")
    out, _ = process.communicate(timeout=30)
    # Had it begun too late to see a change, it would have waited for the next.
    assert (process.returncode, out.decode()) in {(0, f"{spec}\n"), (11, "")}
    assert process.returncode == 0 or words == ["--change"]


def test_waits_for_a_first_release(aivcs, release):
    process = aivcs.start("release", "wait", "coder", "--timeout", "30", stdout=-1)
    spec = release("one")
    assert process.communicate(timeout=30)[0].decode() == f"{spec}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["coder", ""],
        ["coder", "@x"],
        ["coder", "v1", "--change"],
        ["coder", "v9", "--timeout", "nan"],
        [""],
        ["coder@"],
    ],
)
def test_explains_a_mistake(release, wait, words):
    release("one")
    assert wait(*words, code=2).complaint
