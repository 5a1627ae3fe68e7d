"""Secrets are masked wherever they are in a payload, and nothing else is."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from aivcs.codec.json import encode
from aivcs.errors import UsageError
from aivcs.formats.masked_json import JsonMasker
from aivcs.formats.masking import RULES, Masker, is_same_masked, make_rule
from aivcs.formats.values import last_lines

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----"
# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "private-key": KEY,
    "github-token": "gh" + "p_" + "a1B2" * 9,
    "gitlab-token": "gl" + "pat-" + "a1B2" * 5,
    "anthropic-key": "sk" + "-ant-api03-" + "a1B2" * 10,
    "openai-key": "sk" + "-proj-" + "a1B2" * 10,
    "aws-key-id": "AK" + "IA" + "ABCD" * 4,
    "slack-token": "xo" + "xb-" + "1234567890-abcdef",
    "google-key": "AI" + "za" + "a1B2-" * 7,
    "stripe-key": "sk" + "_live_" + "a1B2" * 5,
    "npm-token": "np" + "m_" + "a1B2" * 9,
    "pypi-token": "py" + "pi-AgE" + "a1B2" * 15,
    "hugging-face-token": "h" + "f_" + "a1B2" * 8,
    "json-web-token": ".".join(["ey" + "JhbGciOiJIUzI1NiJ9", "ey" + "JzdWIiOiIxIn0x", "c2lnbmF0"]),
}


AROUND = ["{}", "KEY={}\n", '"{}",', "({})", "a {}. b", "\x1b[32m{}\x1b[0m"]


def test_every_rule_has_an_example_here():
    assert {rule.name for rule in RULES} == {*SECRETS, "authorization", "url-password"}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("around", AROUND)
def test_a_secret_of_a_fixed_form_is_masked_and_counted(name, around):
    masker = Masker()
    assert masker.mask_text(around.format(SECRETS[name])) == around.format(f"***{name}***")
    assert masker.counts == {name: 1}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_a_text_that_is_json_is_masked_and_the_text_is_json_still(name):
    line = json.dumps({"output": f"x\n{SECRETS[name]}\ny"})
    masked = json.loads(Masker().mask_text(line))
    assert masked == {"output": f"x\n***{name}***\ny"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abcdefgh12", "Authorization: Bearer ***authorization***"),
        ('"authorization": "Basic dXNlcjpwYXNz"', '"authorization": "Basic ***authorization***"'),
        (r"{\"Authorization\":\"token abcdefgh\"}",
         r"{\"Authorization\":\"token ***authorization***\"}"),
        ("git clone https://me:hunter2@x.org/y", "git clone https://me:***url-password***@x.org/y"),
        ("redis://:hunter2@db:6379/0", "redis://:***url-password***@db:6379/0"),
    ],
)  # fmt: skip
def test_what_stands_around_a_secret_stays(text, masked):
    assert Masker().mask_text(text) == masked


@pytest.mark.parametrize("around", ["{}", "Proxy-{}", "X_{}"])
@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "basic", "TOKEN"])
def test_credentials_are_masked_in_a_header_and_in_a_member_of_its_name(around, name, scheme):
    name, secret, rest = around.format(name), "abcdefgh12", f"{scheme} ***authorization***"
    masker = Masker()
    assert masker.mask_text(f"curl -H '{name}: {scheme} {secret}'") == f"curl -H '{name}: {rest}'"
    value = {"headers": {name: f"{scheme} {secret}", "Accept": f"{scheme} {secret}"}}
    assert not masker.is_clean(encode(value))
    masked = {"headers": {name: rest, "Accept": f"{scheme} {secret}"}}
    assert masker.mask(value) == masked
    several = {name: [f"{scheme} {secret}", None, f"{scheme} {secret}x", [3]]}
    assert masker.mask(several) == {name: [rest, None, rest, [3]]}
    plain = {name: ["none at all", 3], f"{name}2": {}}
    assert masker.mask(plain) is plain
    assert masker.counts == {"authorization": 4}


def test_a_token_in_a_member_for_credentials_is_masked_once_by_its_own_form():
    masker = Masker()
    masked = masker.mask({"Authorization": f"Bearer {SECRETS['github-token']}"})
    assert masked == {"Authorization": "Bearer ***github-token***"}
    assert masker.counts == {"github-token": 1}


HEADER = "-----BEGIN RSA PRIVATE KEY-----"
BODY = "\n".join(f"MIIE{number:060}" for number in range(9))


@pytest.mark.parametrize(
    "after",
    [
        "", " is how a key begins.", "\nFound 3 files with keys in them.", '","then":"more"}',
        "\\nNo key follows here.", "\n" + "a word " * 9_000, "\n\n* a list\n* of things",
    ],
)  # fmt: skip
def test_only_the_header_of_a_key_is_masked_where_no_key_follows(after):
    assert Masker().mask_text(f"a {HEADER}{after}") == f"a ***private-key***{after}"


@pytest.mark.parametrize(
    "line_of", ["{1}", "{0:>6}\u2192{1}", "{0}\t{1}", "+{1}", "  {1}", "> {1}"]
)
@pytest.mark.parametrize("end", ["-----END RSA PRIVATE KEY-----", ""])
@pytest.mark.parametrize("head", ["", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n"])
@pytest.mark.parametrize("is_escaped", [False, True])
def test_a_key_is_masked_without_its_end_and_with_the_marks_of_tools(
    line_of, end, head, is_escaped
):
    text = f"{HEADER}\n{head}{BODY}" + (f"\n{end}" if end else "")
    text = "\n".join(line_of.format(*one) for one in enumerate(text.split("\n"), 1))
    text += "\nThis is the key."
    masked = Masker().mask_text(json.dumps(text) if is_escaped else text)
    assert masked.count("***private-key***") == 1
    assert "MIIE" not in masked
    assert "This is the key." in masked


def test_a_token_after_bearer_is_masked_once_by_its_own_form():
    masker = Masker()
    token = SECRETS["github-token"]
    text = masker.mask_text(f"Authorization: Bearer {token}")
    assert token not in text
    assert sum(masker.counts.values()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "task-force-sk-learn-is-a-long-name-without-a-key", "https://x.org:8080/a@b",
        "http://[::1]:80/", "see https://x.org/a:b and me@x.org", "ghp_short", "eyJ not one",
        "AKIA", "xoxo", "PRIVATE KEY",
        "the authorization: bearer of bad news", "git@github.com:me/x.git",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_stays(text):
    masker = Masker()
    assert masker.mask_text(text) is text
    assert masker.counts == {}


def test_known_values_are_masked_by_their_names_everywhere_in_a_payload():
    masker = Masker({"hunter2-hunter2": "DB_PASSWORD", 'with"quote\n': "ODD_KEY", "short": "X"})
    payload = {
        "hunter2-hunter2": ["a hunter2-hunter2 b", {"deep": 'with"quote\n'}, 1, None, True],
        "text": json.dumps('with"quote\n'),
        "short": "short",
    }
    masked = masker.mask(payload)
    assert masked == {
        "***DB_PASSWORD***": ["a ***DB_PASSWORD*** b", {"deep": "***ODD_KEY***"}, 1, None, True],
        "text": '"***ODD_KEY***"',
        "short": "short",
    }
    assert masker.counts == {"DB_PASSWORD": 2, "ODD_KEY": 2}


def test_a_payload_without_a_secret_is_given_back_as_it_is():
    payload = {"a": [1, {"b": "plain"}]}
    assert Masker({"hunter2-hunter2": "X"}).mask(payload) is payload


def test_two_names_that_are_masked_alike_are_both_kept():
    token = SECRETS["github-token"]
    masked = Masker().mask({token: 1, token.replace("a1", "c3"): 2})
    assert sorted(masked.values()) == [1, 2]


def test_rules_of_ones_own():
    rules = [*RULES, make_rule("ticket", r"TCK-(?P<secret>\d+)")]
    masker = Masker(rules=rules)
    assert masker.mask_text("TCK-123") == "TCK-***ticket***"
    for pattern in ("(", "a*", "(?P<secret>"):
        with pytest.raises(UsageError, match="pattern of mine"):
            make_rule("mine", pattern)


@pytest.mark.parametrize(
    "piece",
    [
        "sk-", "://a:", "eyJaaaaaaaaaa", "-----BEGIN A PRIVATE KEY-----", "ghp_",
        "Authorization: ", "xoxb-1",
    ],
)  # fmt: skip
def test_a_text_made_of_beginnings_of_secrets_ends(piece):
    """In quadratic time it would not."""
    text = piece * (200_000 // len(piece))
    assert Masker().mask_text(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("abc", "abc", True),
        ("abc", "abd", False),
        ("a ***K*** b", "a secret b", True),
        ("a secret b", "a ***K*** b", True),
        ("a ***K*** b ***L***", "a one b two", True),
        ("a ***K*** b two c", "a one b ***L*** c", True),
        ("***K***", "anything", True),
        ("***K***", "", True),
        ("a ***K*** b", "x secret b", False),
        ("a ***K*** b", "a secret c", False),
        ("ab***K***", "a", False),
        ("a ** b", "a secret b", False),
        ({"x": ["***K***"]}, {"x": ["secret"]}, True),
        ({"***K***": 1}, {"secret": 1}, True),
        ({"x": 1}, {"y": 1}, False),
        ({"x": 1}, {"x": 1, "y": 1}, False),
        ([1], [1, 2], False),
        ([1], (1,), True),
        ([1], "1", False),
        (1, True, False),
        (1, 1.0, True),
        (None, None, True),
        ("***K***", 1, False),
    ],
)
def test_values_are_the_same_but_for_what_was_masked(one, other, same):
    assert is_same_masked(one, other) is same
    assert is_same_masked(other, one) is same


def test_a_secret_in_a_tuple_is_masked():
    token = SECRETS["github-token"]
    assert Masker().mask({"x": (1, token)}) == {"x": [1, "***github-token***"]}


KNOWN = {'pass"word\n1': "QUOTED", "gehëimnis🦀": "FOREIGN", "back\\slash": "SLASHED"}


def encodable(text):
    return not any("\ud800" <= character <= "\udfff" for character in text)


parts = st.sampled_from(
    [*SECRETS.values(), *KNOWN, "gh", "p_", "sk", "-", "://", "u:pw@", "\\", '"', "\n", "\x1f", "é"]
) | st.text(max_size=3)
texts = st.lists(parts, max_size=3).map("".join).filter(encodable)
payloads = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(payloads)
@example({KEY: 1})
@example([json.dumps({'pass"word\n1': "back\\slash"})])
@example("a://u:pass@b")
def test_what_is_clean_as_it_is_encoded_holds_nothing_to_mask(payload):
    masker = Masker(KNOWN)
    if masker.is_clean(encode(payload)):
        assert masker.mask(payload) is payload
        assert not masker.counts


def test_a_payload_is_looked_at_where_a_rule_of_ones_own_may_match_anywhere():
    assert Masker().is_clean('"a"')
    assert not Masker(rules=[make_rule("any", "a")]).is_clean('"a"')
    assert Masker({"\udc80secret": "ODD"}).is_clean('"a"')


@pytest.mark.parametrize("lines_after", [0, 1, 4])
def test_the_last_lines_of_an_output_do_not_begin_in_the_middle_of_a_secret(lines_after):
    body = "\n".join(f"MIIE{number:060}" for number in range(12))
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    output = "\n".join([key, *["Permission denied"] * lines_after])
    masker = Masker()
    masked = masker.mask({"output": output, "error": last_lines(output)})
    assert "MIIE" not in str(masked)
    assert masked["error"] == "\n".join(["***private-key***", *["Permission denied"] * lines_after])
    assert masker.counts == {"private-key": 1}


def test_a_known_value_is_masked_before_the_last_lines_are_cut():
    secret = "the-value-of-a-variable"
    output = f"{secret}{'x' * 590}"
    masked = Masker({secret: "TOKEN"}).mask({"error": last_lines(output)})
    assert "variable" not in masked["error"]


def test_the_last_lines_without_a_secret_are_those_of_the_output():
    output = "\n".join(map(str, range(20)))
    assert Masker().mask({"error": last_lines(output)}) == {"error": "15\n16\n17\n18\n19"}


def mask_lines(masker, text, cuts=()):
    data, lines = text.encode(), JsonMasker(masker)
    places = [0, *(cut for cut in sorted(cuts) if cut < len(data)), len(data)]
    pieces = [lines.feed(data[begin:end]) for begin, end in pairwise(places)]
    return (b"".join(pieces) + lines.end()).decode()


def spell(text, how):
    """A text as a literal of JSON, in one of the ways in which programs write it."""
    if how == "escaped":
        return '"' + "".join(f"\\u{ord(one):04X}" for one in text) + '"'
    literal = json.dumps(text, ensure_ascii=how != "plain")
    return literal.replace("/", r"\/").replace("&", r"\u0026") if how == "web" else literal


SPELLED = {
    "pässwörd-1234": "PASSWORD", "https://u:pässwürd9@h/": "REMOTE", "one&two/three": "ODD",
    'pa"ss\\word12345': "QUOTED",
}  # fmt: skip


@pytest.mark.parametrize("how", ["plain", "ascii", "web"])
@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("secret", [*SPELLED, SECRETS["aws-key-id"]])
def test_in_a_line_of_json_a_secret_is_masked_however_it_is_spelled(how, depth, secret):
    name = SPELLED.get(secret, "aws-key-id")
    inner, masked = f"密钥、{secret} \n", f"密钥、***{name}*** \n"
    for _ in range(depth):
        inner, masked = (f'{{"k" : {spell(one, how)}, "n":1e0}}' for one in (inner, masked))
    others = r'{"a" : "p\u00e4ss \/", "b":[ 1.50,true , null], "'
    line = f'{others}\u00e4":{spell(inner, how)}}}\r\n'
    found = mask_lines(Masker(SPELLED), line)
    assert json.loads(found) == json.loads(f'{others}\u00e4":{spell(masked, "plain")}}}')
    assert found.startswith(others)
    assert found.endswith("}\r\n")


def test_a_letter_of_a_fixed_form_that_is_escaped_hides_nothing():
    literal = spell(SECRETS["github-token"], "escaped")
    assert mask_lines(Masker(), f"[{literal}]") == '["***github-token***"]'


def test_a_header_of_a_key_masks_nothing_beyond_its_literal():
    line = f'{{"a":"{HEADER}","b":"AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}\n'
    assert mask_lines(Masker(), line) == line.replace(HEADER, "***private-key***")


def test_credentials_are_masked_in_lines_of_one_document():
    lines = ['{"Authorization": [', '"Bearer abcdefgh12",', '"Basic abcdefgh12"', '], "x": [',
             '"Bearer abcdefgh12"', "]}"]  # fmt: skip
    masked = [one.replace("abcdefgh12", "***authorization***") for one in lines[:4]] + lines[4:]
    assert mask_lines(Masker(), "\n".join(lines)) == "\n".join(masked)


@pytest.mark.parametrize(
    "line", ['say "{}', '"bad \\x {}"', '{{"a":"{}}}', "{}", '5" {} "x" "', '"\t{}"', '"{}\\']
)
def test_a_line_that_is_not_json_is_masked_as_any_text(line):
    masker = Masker({'a"b\\c\td\u00e4': "ODD"})
    for secret, name in ((SECRETS["github-token"], "github-token"), ('a"b\\c\td\u00e4', "ODD")):
        assert mask_lines(masker, line.format(secret)) == line.format(f"***{name}***")


def test_a_rule_that_goes_on_to_the_end_of_the_line_ends_with_the_literal():
    rules = [*RULES, make_rule("rest", "secret.{9}")]
    line = '{"a":"a secret","b":"a secret it is so","c":1}'
    assert mask_lines(Masker(rules=rules), line) == '{"a":"a secret","b":"a ***rest***","c":1}'


@pytest.mark.parametrize("piece", ['\\"', '"', "\\\\", '"\\x",', '"a":', "[1,"])
def test_a_line_made_of_beginnings_of_literals_ends(piece):
    """In quadratic time it would not."""
    line = '"' + piece * (1_000_000 // len(piece)) + SECRETS["github-token"]
    assert "***github-token***" in mask_lines(Masker(), line)


@given(payloads, st.booleans(), st.sampled_from([None, 1]), st.sets(st.integers(0, 99)))
@example({"Authorization": ["Bearer abcdefgh12"]}, True, 1, {9})
def test_lines_of_json_hold_no_secret_that_is_masked_in_its_value(payload, is_ascii, indent, cuts):
    masker = Masker(KNOWN)
    text = json.dumps(payload, ensure_ascii=is_ascii, indent=indent)
    masked = mask_lines(masker, text, cuts)
    value, told = json.loads(masked), masker.mask(payload)
    for secret in (*SECRETS.values(), *KNOWN):
        assert encode(value).count(encode(secret)[1:-1]) <= encode(told).count(encode(secret)[1:-1])
    if told is payload:
        assert masked == text
