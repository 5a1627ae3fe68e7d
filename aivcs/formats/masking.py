"""Masks secrets in imported events: known values, and tokens of a fixed form.

No I/O. A transcript holds what tools printed, and that holds tokens. A secret that is found becomes
`***NAME***`, with the name of the rule or of the variable; how often each was found is counted.

What has no fixed form is not recognised, nor is a secret that is encoded, or cut in two.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.errors import UsageError
from aivcs.formats.values import Excerpt, last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MIN_LENGTH = 8
"""Length in characters, at least, of a value to mask; shorter ones match by chance."""
_LONG = 512
"""Characters from which on it is quicker to look for each anchor by itself."""
_MAX_NAMES = 10_000
CREDENTIALS = ("uthorization", "UTHORIZATION")
"""Ends of the names of members and headers whose value is a scheme and a secret."""
_HEADER = "Authorization: "


class Rule(NamedTuple):
    """A form that secrets have.

    Attributes:
        name: Its name.
        pattern: What matches; a group `secret` is the part that is masked, else all of it is.
        anchors: Texts of which one is in every match: looking for them is quick.
    """

    name: str
    pattern: re.Pattern[str]
    anchors: tuple[str, ...] = ()


def _first(text: str) -> str:
    """A text where a word begins, also after an escaped line break and the code of a colour."""
    # The text first: the search looks for it, and not for all that may stand before it.
    return rf"{text}(?:(?<![A-Za-z0-9_-]{text})|(?<=\\[nrt]{text})|(?<=[0-9]m{text}))"


# Between the lines of a key, and what tools print before each: a number, or a mark.
_BREAK = r"(?:\s|\\+[nrt]){1,40}+"
_MARK = r"(?:\d{1,6}(?:\\+t|\\+u2192|[^\w\n\"\\+/=])|[>|+-])"


def _rule(name: str, pattern: str, *anchors: str) -> Rule:
    return Rule(name, re.compile(pattern), anchors)


RULES = (
    _rule(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:(?!-----(?:BEGIN|END) )[\s\S]){0,65536}+-----END [A-Z0-9 ]{0,40}-----"
        # Without its end, only lines that a key can have.
        rf"|(?:{_BREAK}(?:{_MARK}{_BREAK})?{_MARK}?\s?(?:[A-Za-z0-9+/=]{{16,}}+"
        r"|(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): [^\n\"\\]{0,200})){0,2000})",
        "PRIVATE KEY",
    ),
    _rule(
        "github-token",
        r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})",
        "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    ),
    _rule("gitlab-token", r"glpat-[A-Za-z0-9_-]{20,255}", "glpat-"),
    _rule("anthropic-key", r"sk-ant-[A-Za-z0-9_-]{20,255}", "sk-ant-"),
    _rule(
        "openai-key",
        _first("sk-") + r"(?=[A-Za-z0-9_-]{0,255}[0-9])(?=[A-Za-z0-9_-]{0,255}[A-Z])"
        r"[A-Za-z0-9_-]{20,255}",
        "sk-",
    ),
    _rule(
        "aws-key-id", _first("A[KS]IA") + r"[A-Z0-9]{16}(?![A-Za-z0-9])", "AKIA", "ASIA",
    ),
    _rule("slack-token", _first("xox[abeoprs]-") + r"[A-Za-z0-9-]{10,255}", "xox"),
    _rule("google-key", r"AIza[A-Za-z0-9_-]{35}", "AIza"),
    _rule("stripe-key", _first("[sr]k_live_") + r"[A-Za-z0-9]{16,255}", "k_live_"),
    _rule("npm-token", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _rule("pypi-token", r"pypi-AgE[A-Za-z0-9_-]{50,1000}", "pypi-AgE"),
    _rule("hugging-face-token", _first("hf_") + r"[A-Za-z0-9]{30,255}", "hf_"),
    _rule(
        "json-web-token",
        r"eyJ[A-Za-z0-9_-]{8,8192}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{8,8192}",
        "eyJ",
    ),
    _rule(
        "authorization",
        r"(?:[Aa]uthorization|AUTHORIZATION)\\{0,8}[\"']?\s{0,4}[:=]\s{0,4}\[?\s{0,4}\\{0,8}[\"']?"
        r"(?i:bearer|basic|token|apikey|negotiate) {1,4}(?P<secret>[A-Za-z0-9+/=._~-]{8,8192})",
        *CREDENTIALS,
    ),
    _rule(
        "url-password",
        r"://[^\s/:@\"'<>\\]{0,256}:(?P<secret>[^\s/@\"'<>\\]{1,256})@",
        "://",
    ),
)  # fmt: skip
"""The fixed forms, in the order in which they are looked for."""


def make_rule(name: str, pattern: str) -> Rule:
    """Returns a rule of the user's own.

    Args:
        name: Its name, which stands where the secret was.
        pattern: A regular expression; a group `secret` is the part that is masked.

    Raises:
        UsageError: It is not a regular expression, or matches an empty text.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"the pattern of {name} is not a regular expression: {error}") from error
    if compiled.match(""):
        raise UsageError(f"the pattern of {name} matches an empty text, so it would be everywhere")
    return Rule(name, compiled)


_MASK = re.compile(r"\*\*\*[^*\n]{1,200}\*\*\*")


def is_same_masked(one: Any, other: Any) -> bool:
    """Tells whether two JSON values are the same but for what was masked in either of them.

    Which values are known as secrets depends on the environment, so a source that is imported twice
    may be masked in two ways. Texts count as the same if they agree before the first mask in either
    and after the last one.
    """
    if isinstance(one, str):
        return isinstance(other, str) and (one == other or _agree(one, other))
    if isinstance(one, dict):
        if not isinstance(other, dict) or len(one) != len(other):
            return False
        pairs = zip(one.items(), other.items(), strict=True)
        return all(
            (name == its or _agree(name, its)) and is_same_masked(value, its_value)
            for (name, value), (its, its_value) in pairs
        )
    if isinstance(one, (list, tuple)):
        if not isinstance(other, (list, tuple)) or len(one) != len(other):
            return False
        return all(map(is_same_masked, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _agree(one: str, other: str) -> bool:
    """Tells whether two texts of which at least one is masked agree around the masks."""
    masks = [list(_MASK.finditer(text)) for text in (one, other)]
    if not any(masks):
        return False
    before = min(found[0].start() for found in masks if found)
    after = min(
        len(text) - found[-1].end()
        for text, found in zip((one, other), masks, strict=True)
        if found
    )
    end = -after if after else None
    return one[:before] == other[:before] and (
        end is None or (one[end:] == other[end:] and len(one) >= after <= len(other))
    )


def _as_in_json(anchors: list[str]) -> list[str]:
    """Anchors as they are spelled in encoded JSON, without those that hold another.

    What cannot be encoded is in no value that can.
    """
    encoded = set()
    for anchor in anchors:
        try:
            encoded.add(encode_trusted(anchor)[1:-1])
        except ValueError:
            continue
    return [one for one in encoded if not any(other in one for other in encoded - {one})]


class Masker:
    """Masks secrets in payloads.

    Attributes:
        counts: How often each rule, and each variable, was found.
    """

    def __init__(
        self, known: Mapping[str, str] | None = None, rules: Iterable[Rule] = RULES
    ) -> None:
        """Takes what to look for.

        Args:
            known: The name of each value that is a secret, as of variables of the environment.
            rules: The forms that secrets have.
        """
        self.counts: dict[str, int] = {}
        self._rules = tuple(rules)
        values: dict[str, str] = {}
        for value, name in (known or {}).items():
            if len(value) < MIN_LENGTH:
                continue
            values[value] = name
            try:
                values.setdefault(encode_trusted(value)[1:-1], name)  # as it stands in JSON
            except ValueError:
                continue
        # The longest first: it is the one that is named where one holds another.
        self._known = sorted(values.items(), key=lambda pair: (-len(pair[0]), pair[1]))
        self._anchors = [value for value, _ in self._known]
        self._anchors += [anchor for rule in self._rules for anchor in rule.anchors]
        self._are_anchored = all(rule.anchors for rule in self._rules)
        self._any_anchor = re.compile("|".join(map(re.escape, self._anchors)) or r"(?!)")
        self._in_json = _as_in_json(self._anchors)
        self._clean_names: set[str] = set()

    def mask(self, value: Any) -> Any:
        """Returns a JSON value without the secrets in its texts and names.

        It is the same object where there are none.
        """
        if isinstance(value, Excerpt):
            return self._mask_excerpt(value)
        if isinstance(value, str):
            return self.mask_text(value)
        if isinstance(value, (list, tuple)):
            items = [self.mask(item) for item in value]
            changed = any(new is not old for new, old in zip(items, value, strict=True))
            return items if changed else value
        if isinstance(value, dict):
            return self._mask_object(value)
        return value

    def is_clean(self, encoded: str) -> bool:
        """Tells quickly of most JSON values that `mask` finds nothing in them.

        Args:
            encoded: The value as `aivcs.codec.json.encode` returns it: that replaces characters one
                by one, so what is in a text of the value is in there, replaced alike.
        """
        for anchor in self._in_json:  # a loop of its own takes half the time of `any`
            if anchor in encoded:
                return False
        return self._are_anchored

    def _mask_excerpt(self, excerpt: Excerpt) -> str:
        """Masks the whole text first: the excerpt may begin in the middle of a secret."""
        counts = dict(self.counts)
        whole = self.mask_text(excerpt.whole)
        self.counts = counts  # the whole text is a member of the event, too
        return self.mask_text(excerpt if whole == excerpt.whole else last_lines(whole) or "")

    def mask_text(self, text: str) -> str:
        """Returns a text without the secrets in it; also a text that is JSON."""
        if not self.may_hold_secret(text):
            return text
        for secret, name in self._known:
            if secret in text:
                self._count(name, text.count(secret))
                text = text.replace(secret, f"***{name}***")
        for rule in self._rules:
            if not rule.anchors or any(anchor in text for anchor in rule.anchors):
                text = rule.pattern.sub(lambda found, rule=rule: self._masked(rule, found), text)  # type: ignore[misc]
        return text

    def may_hold_secret(self, text: str) -> bool:
        """Tells quickly of most texts that no secret is in them."""
        if not self._are_anchored:
            return True
        if len(text) < _LONG:
            return self._any_anchor.search(text) is not None
        return any(anchor in text for anchor in self._anchors)

    def _mask_object(self, value: dict[str, Any]) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        changed = False
        for name, member in value.items():
            new_name, new = self._mask_name(name), self.mask(member)
            if name.endswith(CREDENTIALS):
                new = self.mask_credentials(new)
            while new_name in masked:  # two secrets that are masked alike
                new_name += "*"
            changed = changed or new_name != name or (new is not member and new != member)
            masked[new_name] = new
        return masked if changed else value

    def mask_credentials(self, value: Any) -> Any:
        """Returns the value of a header `Authorization`, or a list of them, without secrets."""
        if isinstance(value, str):
            return self.mask_text(_HEADER + value).removeprefix(_HEADER)
        is_list = isinstance(value, (list, tuple))
        return list(map(self.mask_credentials, value)) if is_list else value

    def _mask_name(self, name: str) -> str:
        """Masks the name of a member; most are there many times."""
        if name in self._clean_names:
            return name
        masked = self.mask_text(name)
        if masked == name and len(self._clean_names) < _MAX_NAMES:
            self._clean_names.add(name)
        return masked

    def _masked(self, rule: Rule, found: re.Match[str]) -> str:
        whole = found[0]
        if "secret" not in rule.pattern.groupindex or found["secret"] is None:
            self._count(rule.name, 1)
            return f"***{rule.name}***"
        if found["secret"].startswith("***"):
            return whole  # masked already, by its own form
        self._count(rule.name, 1)
        begin, end = found.span("secret")
        start = found.start()
        return f"{whole[: begin - start]}***{rule.name}***{whole[end - start :]}"

    def _count(self, name: str, times: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + times
