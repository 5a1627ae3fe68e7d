"""URLs in messages and in comparisons; pauses between attempts; passwords from a command."""

from itertools import islice

import pytest

from aivcs.codec.url import canonical, has_password, hide_passwords, shown
from aivcs.errors import BackendError, UsageError
from aivcs.store.remote import RemoteSettings
from aivcs.util.password_command import read_password
from aivcs.util.retry import backoff


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


def test_pauses_double_up_to_a_limit_and_vary():
    pauses = list(islice(backoff(0.1, 5.0), 12))
    for number, seconds in enumerate(pauses):
        usual = min(0.1 * 2**number, 5.0)
        assert usual / 2 <= seconds <= usual * 1.5
    assert list(islice(backoff(0.1, 5.0), 12)) != pauses


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
