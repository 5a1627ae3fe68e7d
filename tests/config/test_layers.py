"""Policies and signing keys in configuration files: whose file may say what, and which one wins."""

import pytest
from platformdirs import site_config_dir

from aivcs.cli.session.context import Context


def rules(done):
    """What a listing says of policies: key, value and file."""
    rows = [line.split("\t") for line in done.lines]
    return [(key, value, place) for key, value, place in rows if key.startswith("policy.")]


@pytest.fixture
def system(aivcs):
    """Writes the configuration for all users; its environment leads there."""
    folder = aivcs.folder / "xdg"
    (folder / "aivcs").mkdir(parents=True)

    def write(text):
        (folder / "aivcs" / "config.toml").write_text(text)
        return {"XDG_CONFIG_DIRS": str(folder)}

    return write


def test_rules_are_set_read_listed_and_unset(aivcs):
    event = '{"kind":"evaluation","pointer":"/score","min":0.8}'
    aivcs.ok("config", "set", "policy.prod/*.require_runs", "3")
    aivcs.ok("config", "set", "policy.bot-1.x.require_event", event)
    aivcs.ok("config", "set", "policy.bot-1.x.require_label", "semver")
    file = str(aivcs.store / "config.toml")
    assert rules(aivcs.ok("config", "list", "--show-origin")) == [
        ("policy.prod/*.require_runs", "3", file),
        ("policy.bot-1.x.require_label", "semver", file),
        ("policy.bot-1.x.require_event", event, file),
    ]
    assert aivcs.ok("config", "get", "policy.bot-1.x.require_event").text == event
    assert aivcs("config", "get", "policy.bot.require_runs", code=1).out == b""
    for key in ("prod/*.require_runs", "bot-1.x.require_event", "bot-1.x.require_label"):
        aivcs.ok("config", "unset", f"policy.{key}")
    assert rules(aivcs.ok("config", "list", "--show-origin")) == []


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("policy.bot.require_run", "3", "there is no rule 'require_run'; did you mean"),
        ("policy.bot.require_runs", "three", "policy.bot.require_runs must be a number of runs"),
        ("policy.b[o]t.require_runs", "3", "matches no release name"),
        ("policy.bot", "3", "write policy.NAME.RULE"),
        ("policy.", "3", "write policy.NAME.RULE"),
        ("policy..require_runs", "3", "write policy.NAME.RULE"),
        ("policy", "3", "no configuration key 'policy'"),
    ],
)
def test_a_rule_that_is_not_understood_is_not_set(aivcs, unchanged, key, value, complaint):
    with unchanged:
        assert complaint in aivcs("config", "set", key, value, code=2).complaint


def test_nobody_sets_rules_for_himself(aivcs):
    done = aivcs("config", "set", "--user", "policy.bot.require_runs", "3", code=2)
    assert "not in your own" in done.complaint
    own = aivcs.home / ".config" / "aivcs" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[policy."*"]\nrequire_runs = 0\n')
    assert str(own) in aivcs("status", code=2).complaint


@pytest.mark.parametrize("key", ["signing.key", "signing.allowed_signers"])
def test_a_store_decides_nothing_about_trust(aivcs, key):
    assert "add --user" in aivcs("config", "set", key, "/x", code=2).complaint
    (aivcs.store / "config.toml").write_text(f'[signing]\n{key.partition(".")[2]} = "/x"\n')
    complaint = aivcs("blob", "ls", code=2).complaint
    assert str(aivcs.store) in complaint
    assert key in complaint


def test_the_systems_file_is_the_weakest_for_settings(aivcs, system):
    env = system('[core]\nlock_timeout = 7\n[signing]\nallowed_signers = "/etc/signers"\n')
    get = ("config", "get", "core.lock_timeout")
    assert aivcs.ok(*get, env=env).text == "7"
    assert aivcs.ok("config", "get", "signing.allowed_signers", env=env).text == "/etc/signers"
    aivcs.ok("config", "set", "--user", "core.lock_timeout", "5")
    assert aivcs.ok(*get, env=env).text == "5"


def test_the_systems_policies_come_first(aivcs, system):
    env = system('[policy."*"]\nrequire_runs = 2\n')
    aivcs.ok("config", "set", "policy.*.require_runs", "0")
    places = [place for _, _, place in rules(aivcs.ok("config", "list", "--show-origin", env=env))]
    assert places == [f"{env['XDG_CONFIG_DIRS']}/aivcs/config.toml", f"{aivcs.store}/config.toml"]
    assert aivcs.ok("config", "get", "policy.*.require_runs", env=env).text == "2"


def test_a_policy_that_is_not_understood_does_not_stop_other_work(aivcs):
    (aivcs.store / "config.toml").write_text('[policy."*"]\nrequire_moon = true\n')
    aivcs.put(b"content")
    aivcs.ok("config", "unset", "policy.*.require_moon")
    assert rules(aivcs.ok("config", "list", "--show-origin")) == []


@pytest.mark.parametrize("folders", [None, "", "/a", "/a:/b", ":/b"])
def test_the_systems_file_is_where_platformdirs_says(monkeypatch, folders):
    if folders is None:
        monkeypatch.delenv("XDG_CONFIG_DIRS", raising=False)
    else:
        monkeypatch.setenv("XDG_CONFIG_DIRS", folders)
    assert Context().system_config_path() == (
        f"{site_config_dir('aivcs', appauthor=False)}/config.toml"
    )


PASSWORDS = [
    "postgresql://keeper:hunter2@h/agents",
    "postgresql://h/agents?user=k&password=hunter2",
]


@pytest.mark.parametrize("url", PASSWORDS)
@pytest.mark.parametrize(
    "key", ["remote.o.url", "blobs", "release.home.prod/*", "--user remote.o.url",
            "--user pull.apply_erasures"]
)  # fmt: skip
def test_a_url_with_a_password_is_not_set(aivcs, unchanged, key, url):
    with unchanged:
        complaint = aivcs("config", "set", *key.split(), url, code=2).complaint
    assert "hunter2" not in complaint
    assert "has a password" in complaint
    assert aivcs.ok("config", "list", "--show-origin").text.count("://") == 0


@pytest.mark.parametrize("url", PASSWORDS)
def test_the_password_of_a_url_in_a_file_is_not_printed(aivcs, system, url):
    (aivcs.store / "config.toml").write_text(
        f'blobs = "{url}"\n[remote.o]\nurl = "{url}"\n[release.home]\nx = "{url}"\n'
    )
    env = system(f'[trust]\n"{url}" = "{"0" * 32}"\n[pull]\napply_erasures = ["o", "{url}"]\n')
    keys = ("blobs", "remote.o.url", "release.home.x", "pull.apply_erasures")
    for words in (
        *(("config", "get", key, *as_json) for key in keys for as_json in ((), ("--json",))),
        *(("config", "list", *form) for form in ((), ("--show-origin",), ("--json",))),
        ("trust", "--list"),
        ("trust", "--list", "--json"),
    ):
        done = aivcs.ok(*words, env=env)
        assert b"hunter2" not in done.out, words
        assert url.replace("hunter2", "***") in done.text, words
