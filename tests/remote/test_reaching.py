"""URLs in messages and in comparisons; retries; passwords from a command."""

import pytest

from aivcs.codec.url import canonical, has_password, hide_passwords, shown
from aivcs.errors import BackendError, UnreachableError, UsageError
from aivcs.store.remote import RemoteSettings
from aivcs.util.password_command import read_password
from aivcs.util.retry import retry


class TestShown:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("postgresql://u:p@h/db", "postgresql://u:***@h/db"),
            ("postgresql://u:p@h:5432/db?schema=x", "postgresql://u:***@h:5432/db?schema=x"),
            ("postgresql://u:a:b@c@h/db", "postgresql://u:***@h/db"),
            ("postgresql://:p@h/db", "postgresql://:***@h/db"),
            ("postgresql://u:p/q@h/db", "postgresql://u:***@h/db"),
            ("postgresql://h/db?user=u&password=p", "postgresql://h/db?user=u&password=***"),
            ("postgresql://h/db?PASSWORD=p&x=1", "postgresql://h/db?PASSWORD=***&x=1"),
            ("s3://KEY:SECRET@bucket/a", "s3://KEY:***@bucket/a"),
        ],
    )
    def test_masks_passwords(self, url, expected):
        assert shown(url) == expected
        assert has_password(url)
        assert shown(shown(url)) == shown(url)

    @pytest.mark.parametrize(
        "store",
        [
            "postgresql://h/db", "postgresql://u@h:5432/db", "postgresql://h1:1,h2:2/db",
            "postgresql://[::1]:5432/db", "postgresql:///db?host=/run/pg", "s3://bucket/a:b@c",
            "s3://bucket", "/path/with:colon@at", "relative", "sqlite:///a/b", "x://h?password=",
        ],
    )  # fmt: skip
    def test_changes_nothing_else(self, store):
        assert shown(store) == store
        assert not has_password(store)

    def test_finds_the_urls_in_a_sentence(self):
        text = 'cannot use "postgresql://u:p@h/db": refused, nor s3://K:S@b/x; try u:p@h'
        assert hide_passwords(text) == (
            'cannot use "postgresql://u:***@h/db": refused, nor s3://K:***@b/x; try u:p@h'
        )


class TestCanonical:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("postgresql://DB.Example/Aivcs", "PostgreSQL://db.example/Aivcs/"),
            ("postgresql://u:p@h/db", "postgresql://u@h/db"),
            ("s3://bucket", "s3://bucket/"),
        ],
    )
    def test_what_leads_to_one_place_is_one(self, one, other):
        assert canonical(one) == canonical(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("postgresql://h/db", "postgresql://h/DB"),
            ("postgresql://h/db", "postgresql://u@h/db"),
            ("postgresql://h/db", "postgresql://h/db?host=evil"),
            ("postgresql://h/db", "postgresql://h:5433/db"),
            ("s3://bucket/a", "s3://bucket/a/b"),
        ],
    )
    def test_anything_else_is_another(self, one, other):
        assert canonical(one) != canonical(other)


class Server:
    """Answers at an attempt, on a clock of its own."""

    def __init__(self, answers_at, retry_after=0.0):
        self.now = 0.0
        self.attempts = 0
        self.pauses: list[float] = []
        self._answers_at = answers_at
        self._retry_after = retry_after

    def ask(self):
        self.attempts += 1
        if self.attempts < self._answers_at:
            raise UnreachableError("s3://b", "throttled", retry_after=self._retry_after)
        return "done"

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def retry(self, seconds, notify=None):
        return retry(self.ask, seconds, notify=notify, clock=lambda: self.now, pause=self.pause)


class TestRetry:
    def test_an_answer_needs_no_second_attempt(self):
        server = Server(1)
        assert server.retry(60) == "done"
        assert server.pauses == []

    def test_pauses_double_up_to_a_limit_and_vary(self):
        server = Server(12)
        said: list[str] = []
        assert server.retry(3600, said.append) == "done"
        for number, seconds in enumerate(server.pauses):
            longest = min(0.1 * 2**number, 5.0)
            assert longest / 2 <= seconds <= longest
        assert server.pauses[-1] >= 2.5
        assert said == ["cannot reach s3://b: throttled; trying for 3600 s"]
        other = Server(12)
        other.retry(3600)
        assert other.pauses != server.pauses

    def test_ends_at_the_time_limit_after_a_last_attempt(self):
        server = Server(10**6)
        with pytest.raises(UnreachableError) as caught:
            server.retry(60)
        assert server.now == pytest.approx(60)
        assert caught.value.store == "s3://b"
        assert f"({server.attempts} attempts in 60 s)" in str(caught.value)
        assert str(caught.value).endswith("nothing was done. Try again")

    def test_a_limit_of_zero_is_one_attempt(self):
        server = Server(2)
        with pytest.raises(UnreachableError, match=r"^cannot reach s3://b: throttled; nothing"):
            server.retry(0)
        assert (server.attempts, server.pauses) == (1, [])

    def test_a_server_that_says_when_is_obeyed(self):
        server = Server(2, retry_after=20)
        server.retry(60)
        assert server.pauses == [20]

    def test_other_errors_are_not_retried(self):
        calls = []

        def fail():
            calls.append(1)
            raise BackendError("no rights")

        with pytest.raises(BackendError, match="no rights"):
            RemoteSettings().retry(fail)
        assert calls == [1]


class TestPasswordCommand:
    def test_its_first_line_is_the_password(self):
        command = "sh -c 'echo \"for $AIVCS_REMOTE_URL\"; echo more'"
        settings = RemoteSettings(password_command=command)
        assert settings.password("postgresql://u:p@h/db") == "for postgresql://u:***@h/db"

    def test_without_one_there_is_none(self):
        assert RemoteSettings().password("postgresql://h/db") is None

    @pytest.mark.parametrize(
        ("command", "said"),
        [
            ("false", "failed with exit code 1"),
            ("true", "printed no password"),
            ("/nonexistent/pass", "No such file"),
            ("sleep 60", "no password in 0.2 s"),
            ("printf '\\377'", "no valid UTF-8"),
        ],
    )
    def test_what_goes_wrong_is_said_and_nothing_of_the_password(self, command, said):
        with pytest.raises(BackendError, match=said):
            read_password(command, "x://h", 0.2)

    def test_a_command_that_cannot_be_read_is_a_mistake(self):
        with pytest.raises(UsageError):
            read_password("pass 'show", "x://h", 1)

    @pytest.mark.parametrize("values", [{"timeout": -1}, {"timeout": 1e9}, {"tls": "off"}], ids=str)
    def test_settings_out_of_range_are_refused(self, values):
        with pytest.raises(UsageError):
            RemoteSettings(**values)
