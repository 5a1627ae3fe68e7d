"""Secrets are masked in what is recorded, however the output came, and nowhere else."""

from fnmatch import fnmatchcase
from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from aivcs.trace.redaction import PATTERNS, Redactor, find_secrets, redact

TEXT = st.text("ab", max_size=40).map(str.encode)
SECRETS = st.dictionaries(
    st.text("ab", min_size=1, max_size=6).map(str.encode), st.sampled_from("XYZ"), max_size=4
)


def masked(data, secrets):
    """By the definition: every byte of every occurrence; overlapping ones are one."""
    inside = {
        at + i
        for secret in secrets
        for at in range(len(data))
        if data.startswith(secret, at)
        for i in range(len(secret))
    }
    begins = {
        at: max((s for s in secrets if data.startswith(s, at)), key=len)
        for at in range(len(data))
        if any(data.startswith(s, at) for s in secrets)
    }
    ends, result = 0, b""
    for at in range(len(data)):
        if at in begins:
            if at >= ends:
                result += f"***{secrets[begins[at]]}***".encode()
            ends = max(ends, at + len(begins[at]))
        if at not in inside:
            result += data[at : at + 1]
    return result


def in_chunks(data, secrets, cuts):
    redactor = Redactor(secrets)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return b"".join(redactor.feed(data[a:b]) for a, b in pairwise(places)) + redactor.end()


@given(data=TEXT, secrets=SECRETS, cuts=st.sets(st.integers(0, 40)))
@example(data=b"aaaaaaaaa", secrets={b"aaa": "X"}, cuts=set(range(9)))
@example(data=b"abab", secrets={b"aba": "X", b"ab": "Y"}, cuts={2})
def test_for_any_chunks_it_is_what_masking_the_whole_gives(data, secrets, cuts):
    assert in_chunks(data, secrets, cuts) == masked(data, secrets)


REPEATED = st.builds(
    lambda word, length, rest: (word * length)[:length].encode() + rest,
    st.text("ab", min_size=1, max_size=5), st.integers(1, 14), st.sampled_from([b"", b"", b"b"]),
)  # fmt: skip


@given(
    pieces=st.lists(REPEATED | st.just(b"c"), max_size=8),
    secrets=st.dictionaries(REPEATED, st.sampled_from("XYZ"), max_size=4),
    cuts=st.sets(st.integers(0, 100)),
)
def test_so_it_is_where_secrets_repeat_themselves(pieces, secrets, cuts):
    data = b"".join(pieces)
    assert in_chunks(data, secrets, cuts) == masked(data, secrets)


def test_a_long_secret_that_repeats_itself_takes_no_more_than_reading():
    # Comparing all of it at each byte would take hours.
    secret, data = b"ab" * (1 << 16), b"ab" * (1 << 20)
    redactor = Redactor({secret: "K", secret + b"c": "L"})
    chunks = [data[at : at + (1 << 16)] for at in range(0, len(data), 1 << 16)]
    assert b"".join(map(redactor.feed, chunks)) + redactor.end() == b"***K***"


def test_only_what_may_begin_a_secret_waits_for_more():
    redactor = Redactor({b"a-secret": "K", b"other-secret": "L"})
    assert redactor.feed(b"a line\n") == b"a line\n"
    assert redactor.feed(b"and a-sec") == b"and "
    assert redactor.feed(b"tion") == b"a-section"
    assert redactor.end() == b""


@given(
    name=st.text("AB_", max_size=6),
    pattern=st.text("AB_*", min_size=1, max_size=5),
)
def test_patterns_are_those_of_the_shell(name, pattern):
    found = find_secrets({name: "a long secret"}, [pattern])
    assert bool(found) == fnmatchcase(name, pattern)


def test_which_variables_are_secrets():
    environment = {
        "GH_TOKEN": "token-1234", "db_password": "password-1234", "DB_PASSWORD_FILE": "/run/secret",
        "API_KEY": "  key-12345\n", "SHORT_KEY": "1234567", "KEYBOARD": "de-latin1-nodeadkeys",
        "TOKENISED": "not named so", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    assert find_secrets(environment, PATTERNS) == {
        b"token-1234": "GH_TOKEN",
        b"password-1234": "db_password",
        b"/run/secret": "DB_PASSWORD_FILE",
        b"key-12345": "API_KEY",
    }


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN", "SECRET", "DB_PASS", "MYSQL_PWD", "GITHUB_PAT", "SENTRY_DSN", "AWS_CREDENTIALS",
        "DATABASE_URL", "PGPASSWORD", "SSH_PASSPHRASE", "OPENAI_APIKEY", "SLACK_WEBHOOK_URL",
    ],
)  # fmt: skip
def test_such_names_are_those_of_secrets(name):
    assert find_secrets({name: "12345678"}, PATTERNS) == {b"12345678": name}


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "PATH", "HOME", "BYPASS", "KEYBOARD", "PATTERN"])
def test_such_names_are_not(name):
    assert find_secrets({name: "/home/somebody"}, PATTERNS) == {}


def test_a_url_with_a_password_is_one_whatever_it_is_called():
    environment = {
        "UPSTREAM": "postgresql+psycopg://ada:correct@horse@db/prod?x=1", "SHORT": "redis://:pw@h",
        "PLAIN": "https://ada@example.com/a:b@c", "TEXT": "see a: b@c://d",
    }  # fmt: skip
    assert find_secrets(environment, []) == {
        b"correct@horse": "UPSTREAM",
        environment["UPSTREAM"].encode(): "UPSTREAM",
        b"redis://:pw@h": "SHORT",
    }


def test_a_text_is_masked_whatever_else_is_in_it():
    assert redact("ü\udcff:12345678!", {b"12345678": "K"}) == "ü\udcff:***K***!"


SECRET = {"MY_TOKEN": "s3cret-value", "OTHER": "other-secret-value"}


class TestExec:
    @pytest.mark.parametrize("capture", ["lines", "blobs"])
    def test_the_record_is_masked_and_what_passes_through_is_not(self, execute, capture):
        script = "printf s3cr; sleep 0.3; printf 'et-value.\\n%s\\n' \"$OTHER\"; : s3cret-value"
        done = execute("sh", "-c", script, options=["--capture", capture], env=SECRET, code=0)
        assert done.out == b"s3cret-value.\nother-secret-value\n"
        assert execute.recorded("stdout") == b"***MY_TOKEN***.\nother-secret-value\n"
        assert execute.events[0][1]["argv"][-1] == script.replace("s3cret-value", "***MY_TOKEN***")
        log = execute.aivcs.run_log(execute.run).read_bytes()
        assert b"s3cret" not in log.replace(b"printf s3cr;", b"")

    def test_it_can_be_left_off(self, execute):
        execute("printenv", "MY_TOKEN", options=["--no-redact"], env=SECRET, code=0)
        assert execute.recorded("stdout") == b"s3cret-value\n"

    def test_what_is_logged_on_purpose_is_left_as_it_is(self, execute):
        execute("sh", "-c", 'aivcs run log @ k "text=$MY_TOKEN"', env=SECRET, code=0)
        assert ("k", {"text": "s3cret-value"}) in execute.events

    def test_files_of_configuration_only_add(self, execute):
        env = {**SECRET, "THIRD": "third-secret-value"}
        execute.aivcs.ok("config", "set", "exec.redact", "oth*")
        execute.aivcs.ok("config", "set", "--user", "exec.redact", "THIRD")
        execute("sh", "-c", 'echo "$MY_TOKEN,$OTHER,$THIRD"', env=env, code=0)
        assert execute.recorded("stdout") == b"***MY_TOKEN***,***OTHER***,***THIRD***\n"

    def test_a_secret_of_several_lines_is_one(self, execute):
        key = {"SSH_KEY": "-----BEGIN-----\nabc\n-----END-----\n"}
        execute("sh", "-c", 'echo "a $SSH_KEY"; echo b', env=key, code=0)
        assert execute.recorded("stdout") == b"a ***SSH_KEY***\n\nb\n"

    def test_much_output_with_secrets_in_it_does_not_stop(self, execute):
        script = "yes s3cret-value | head -c 3000000"
        done = execute("sh", "-c", script, env=SECRET, options=["--capture=blobs"], code=0)
        whole = (b"s3cret-value\n" * 300_000)[:3_000_000]
        assert done.out == whole
        kept = execute.recorded("stdout")
        assert kept.count(b"***MY_TOKEN***") == whole.count(b"s3cret-value")
        assert b"s3cret-value" not in kept
