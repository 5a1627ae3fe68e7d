"""Setting a key changes what the file says of that key, and takes nobody's comment away."""

import tomllib

from hypothesis import example, given, strategies as st

from aivcs.config.keys import KEYS, render_config

VALUES = {
    "core.durability": st.sampled_from(["full", "batch", None]),
    "core.lock_timeout": st.sampled_from([1.5, 30.0, None]),
    "limits.event_bytes": st.sampled_from([2048, None]),
    "safe.directory": st.sampled_from([["/a"], ["/b c"], None]),
}
LINES = {
    "core": ['durability = "none"', "lock_timeout = 2", "future = [\"x\"]", 'odd = "a # b"'],
    "limits": ["event_bytes = 4096"],
    "safe": ['directory = ["/a", "/z"]', 'directory = [\n  "/a",\n]'],
    "other": ["x = 1", "y = 'quoted'"],
}  # fmt: skip
BESIDE = ["# a comment", "  # durability = \"full\"", "", "#[core]"]  # fmt: skip


@st.composite
def files(draw):
    """A file of some tables, with comments and blank lines anywhere between the lines."""
    lines = draw(st.lists(st.sampled_from(BESIDE), max_size=2))
    for table in draw(st.lists(st.sampled_from(sorted(LINES)), unique=True, max_size=3)):
        lines.append(f"[{table}]")
        keys = {}
        for line in draw(st.lists(st.sampled_from(LINES[table]), max_size=3)):
            keys.setdefault(line.partition("=")[0], line)
        for line in keys.values():
            lines += [line, *draw(st.lists(st.sampled_from(BESIDE), max_size=2))]
    return "".join(f"{line}\n" for line in lines)


changes = st.sampled_from(sorted(VALUES)).flatmap(lambda k: st.tuples(st.just(k), VALUES[k]))


def without_empty(tables):
    return {name: table for name, table in tables.items() if table != {}}


def comments(text):
    return [line for line in text.splitlines() if line.strip().startswith("#")]


@given(files(), changes)
@example(
    "# ours\n[core]\n# why\nlock_timeout = 2\n# next\n[other]\nx = 1\n", ("core.lock_timeout", 1.5)
)
@example("# ours\n", ("core.durability", "batch"))
def test_the_key_is_set_and_all_else_stays(text, change):
    dotted, value = change
    table, key = dotted.split(".")
    expected = tomllib.loads(text)
    if isinstance(value, list):
        before = expected.get(table, {}).get(key, [])
        expected.setdefault(table, {})[key] = before + [v for v in value if v not in before]
    elif value is not None:
        expected.setdefault(table, {})[key] = value
    else:
        expected.get(table, {}).pop(key, None)
    after = render_config(text.encode(), dotted, value).decode()
    assert without_empty(tomllib.loads(after)) == without_empty(expected)
    if "[\n" not in text and "'" not in text:  # what is plain enough to be changed by the line
        assert comments(after) == comments(text)


def test_comments_stay_where_they_are():
    text = b"""\
# The team's settings.

[core]
# Our disks are slow.
lock_timeout = 60

# Big prompts.
[limits]
event_bytes = 2048
"""
    after = render_config(text, "core.durability", "batch")
    assert after.decode() == text.decode().replace(
        "lock_timeout = 60\n", 'lock_timeout = 60\ndurability = "batch"\n'
    )
    assert render_config(after, "core.durability", None) == text
    assert render_config(text, "core.lock_timeout", 5.0) == text.replace(b"60", b"5.0")


def test_comments_stay_beside_the_rules_of_policies():
    text = b"""\
# What goes live has to earn it.
[policy."prod/*"]
# Two were too few in March.
require_runs = 3  # not fewer
require_event = {kind = "evaluation", pointer = "/score", min = 0.8}

# The sandbox is free.
[policy."sandbox/*"]
require_runs = 0
"""
    more = render_config(text, "policy.prod/*.require_label", "semver")
    assert more == text.replace(b"0.8}\n", b'0.8}\nrequire_label = "semver"\n')
    assert render_config(more, "policy.prod/*.require_label", None) == text
    event = {"kind": "evaluation", "min": 0.9}
    after = render_config(text, "policy.prod/*.require_event", event)
    again = render_config(after, "policy.prod/*.require_event", {**event, "max": 1})
    for changed, max_score in ((after, {}), (again, {"max": 1})):
        assert comments(changed.decode()) == comments(text.decode())
        rules = tomllib.loads(changed.decode())["policy"]["prod/*"]
        assert rules == {"require_runs": 3, "require_event": {**event, **max_score}}
    bare = render_config(again, "policy.prod/*.require_event", None)
    assert comments(bare.decode()) == comments(text.decode())
    assert tomllib.loads(bare.decode())["policy"]["prod/*"] == {"require_runs": 3}


def test_a_store_can_set_no_trust_and_name_no_program():
    """Whoever can write to a store must not decide what its readers run, nor whom they believe."""
    words = ("safe.", "signing.", "pager", "editor", "command", "program", "allowed", "hook")
    for name, key in KEYS.items():
        assert key.user_only or not any(word in name for word in words), name


def test_comments_beside_settings_stay_too():
    text = """\
# Für alle.
[core]  # ours
durability = "none"  # don't ask
[exec]
redact = ["*_DSN"]  # hers
"""
    after = render_config(text.encode(), "core.durability", "batch").decode()
    assert after == text.replace('"none"', '"batch"')
    after = render_config(text.encode(), "exec.redact", ["X_*"]).decode()
    assert after.endswith("  # hers\n")
    assert tomllib.loads(after)["exec"]["redact"] == ["*_DSN", "X_*"]
