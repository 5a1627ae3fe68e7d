"""The keys of the configuration, their types and limits."""

from aivcs.codec.json import parse
from aivcs.errors import UsageError
from aivcs.store.settings import DURABILITIES, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Config = dict[str, Any]
    """Values by dotted key."""


class Key:
    """A key of the configuration.

    Attributes:
        kind: The type of its value.
        default: What holds when nobody sets it.
        about: What it does, in a sentence.
        user_only: Whether only the user's file and the system's may set it.
        names_store: Whether a value can be the URL of a store, which must not have a password.
    """

    __slots__ = ("about", "default", "kind", "names_store", "user_only")

    def __init__(
        self,
        kind: type,
        default: object,
        about: str,
        *,
        user_only: bool = False,
        names_store: bool = False,
    ) -> None:
        """Takes the attributes as they are."""
        self.kind = kind
        self.default = default
        self.about = about
        self.user_only = user_only
        self.names_store = names_store


KEYS: dict[str, Key] = {
    "core.durability": Key(str, "full", f"what survives a power cut: {', '.join(DURABILITIES)}"),
    "core.lock_timeout": Key(float, 30.0, "seconds to wait for another process's lock"),
    "core.spool": Key(
        bool, False, "whether runs for a store on a server go to a spool on this machine first"
    ),
    "blobs": Key(
        str, "", "the URL of another store that has the blobs of this one", names_store=True
    ),
    "limits.event_bytes": Key(int, 1 << 20, "bytes of one event's payload, at most"),
    "run.lost_after": Key(
        float,
        86_400.0,
        "seconds without news after which a copy of a run that goes on elsewhere counts as lost",
    ),
    "search.index": Key(
        str,
        "auto",
        "whether run search keeps an index of texts: auto (of many runs), always, never",
    ),
    "exec.redact": Key(
        list, [], "names of variables (* is any text) whose values run exec masks, besides its own"
    ),
    "remote.timeout": Key(
        float, 60.0, "seconds of retries before a store cannot be reached (exit 75)", user_only=True
    ),
    "remote.tls": Key(
        str,
        "verify-full",
        "the least that a connection must have: verify-full, verify-ca, require, disable",
        user_only=True,
    ),
    "remote.password_command": Key(
        str,
        "",
        "a command that prints the password of the store in AIVCS_REMOTE_URL",
        user_only=True,
    ),
    "import.redact": Key(
        list,
        [],
        "secrets that run import masks, besides its own: NAME=REGULAR EXPRESSION each; a group "
        "named secret is the part to mask",
        user_only=True,
    ),
    "safe.directory": Key(
        list, [], "stores of other users that may be used when found by walking up", user_only=True
    ),
    "signing.key": Key(
        str, "", "the SSH key that signs; its public half if ssh-agent has it", user_only=True
    ),
    "signing.allowed_signers": Key(
        str, "", "the file that says whose signatures count (ssh-keygen(1))", user_only=True
    ),
    "retention.older_than": Key(
        str, "", "gc --prune erases runs that arrived longer ago than this, as in 90d"
    ),
    "retention.keep_last": Key(
        int, 0, "gc --prune keeps this many of the newest runs of each agent"
    ),
    "retention.agents": Key(list, [], "gc --prune erases only runs of these agents"),
    "retention.statuses": Key(list, [], "gc --prune erases only runs with these statuses"),
    "retention.tags": Key(list, [], "gc --prune erases only runs with these tags, as in env=ci"),
    "pull.apply_erasures": Key(
        list, [], "remotes whose erasures a pull applies here", user_only=True, names_store=True
    ),
    "signing.allowed_erasers": Key(
        str,
        "",
        "the file that says who may erase, by whose signature; without it, erasures are notices",
        user_only=True,
    ),
}
REQUIRE_STORE = "require_store"
"""The table of patterns of release names, each with the id of the only store that may have them. In
the system's files."""
POLICY = "policy"
"""The table of policies; its value in a `Config` is what the file says, unchecked."""
_PRICES = {
    "input": "tokens that the model reads",
    "output": "tokens that it writes",
    "cached_input": "tokens that it reads from a cache; default: as input",
}
"""The prices of a model, with what each is for."""
MAX_PRICE = 1e9
"""US dollars for a million tokens, at most; and no price is infinite or not a number."""


def check_value(dotted: str, value: object, where: str) -> "Any":
    """Returns a value in the type of its key.

    Raises:
        UsageError: It has another type, or is out of range.
    """
    key = require_key(dotted)
    at = f"{where}: " if where else ""
    if key.kind is float and type(value) is int:
        value = float(value)
    if type(value) is not key.kind or (
        isinstance(value, list) and not all(isinstance(item, str) for item in value)
    ):
        raise UsageError(f"{at}{dotted} must be a {_NAMES[key.kind]}, not {shown(value)}")
    if dotted.startswith("prices.") and not 0 <= float(str(value)) < MAX_PRICE:
        raise UsageError(f"{at}{dotted} must be US dollars for a million tokens, not {value!r}")
    if dotted in _PATHS and not str(value).startswith(("/", "~/")):
        raise UsageError(
            f"{at}{dotted} must be a path that begins with / or ~/, not {value!r}: "
            "it must not depend on the folder one is in"
        )
    try:
        settings_of([{dotted: value}])
    except UsageError as error:
        raise UsageError(f"{at}{dotted}: {error}") from error
    return value


def parse_value(dotted: str, text: str) -> "Any":
    """Returns the value of a key from a text on the command line.

    Raises:
        UsageError: The key is unknown, or the text is invalid for it or holds a password.
    """
    rule = policy_key(dotted)
    if rule is not None:
        return _parse_rule(*rule, text)
    key = require_key(dotted)
    if dotted == "safe.directory" and text[:1] not in {"", "/"} and text != "*":
        raise UsageError(f"{dotted} must be * or a path that begins with /, not {shown(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{dotted}: {shown(text)} is not valid UTF-8") from error
    if key.kind is list and not text:
        raise UsageError(f"{dotted}: the value is empty; is a variable unset?")
    if key.names_store and (text or dotted != "blobs"):
        from aivcs.config.remotes import check_url

        check_url(text)
    if key.kind is str:
        value: object = text
    elif key.kind is list:
        value = [text]
    elif key.kind is bool:
        value = {"true": True, "false": False}.get(text, text)
    else:
        try:
            value = parse_number(key.kind, text)
        except ValueError:
            value = text
    return check_value(dotted, value, "")


def parse_number(kind: type, text: str) -> "Any":
    """Returns an int or a float from an ASCII text of 40 characters at most.

    Raises:
        ValueError: The text is not such a number; the message names what is.
    """
    what = "a whole number" if kind is int else "a number"
    if len(text) > 40:
        raise ValueError(f"{what} of 40 characters at most")
    try:
        if set(text) <= set("+-.0123456789eE") and abs(number := kind(text)) < 1e300:
            return number
    except ValueError:
        pass
    raise ValueError(what)


def policy_key(dotted: str) -> "tuple[str, str] | None":
    """Returns pattern and rule of a key `policy.PATTERN.RULE`; None for any other key.

    A pattern may contain dots; a rule has none.

    Raises:
        UsageError: The key begins with `policy.` but does not name a rule.
    """
    head, dot, rest = dotted.partition(".")
    if head != POLICY or not dot:
        return None
    pattern, dot, rule = rest.rpartition(".")
    if not pattern or not rule:
        raise UsageError(
            f"{shown(dotted)} is not a rule of a policy: write policy.NAME.RULE, "
            "as in policy.prod/*.require_runs"
        )
    return pattern, rule


def _parse_rule(pattern: str, rule: str, text: str) -> "Any":
    """The value of a rule: JSON, or else the text as it is."""
    from aivcs.errors import SerializationError
    from aivcs.policy.registry import check_rule
    from aivcs.policy.select import check_pattern

    try:
        value = parse(text)
    except SerializationError:
        value = text
    check_pattern(pattern, "the key")
    check_rule(rule, value, f"policy.{pattern}")
    return value


def may_set(dotted: str, *, user: bool) -> None:
    """Requires that a key may be set in a file.

    Raises:
        UsageError: The key must be set in another file.
    """
    if policy_key(dotted) is not None:
        if user:
            raise UsageError(NO_OWN_POLICY)
    elif require_key(dotted).user_only and not user:
        raise UsageError(f"{dotted} stands in your own configuration only: add --user")


def find_key(dotted: str) -> "Key | None":
    """Returns a key by name, of `KEYS` or one of a remote or a pattern; None for another name."""
    if dotted in KEYS:
        return KEYS[dotted]
    head, *rest = key_path(dotted)
    if head == "remote" and len(rest) == 2 and rest[0] and rest[1] == "url":
        return Key(str, "", "the path or URL of another store", names_store=True)
    if head == "prices" and len(rest) == 2 and rest[0] and rest[1] in _PRICES:
        return Key(float, None, f"US dollars for a million {_PRICES[rest[1]]}")
    if head == "release" and len(rest) == 2 and rest[0] == "home" and rest[1]:
        about = "the remote at which these releases are changed; or here"
        return Key(str, "", about, names_store=True)
    return None


def key_path(dotted: str) -> "list[str]":
    """Returns the names of the tables of a key, and its own; a pattern or a model may have dots."""
    if dotted.startswith("release.home."):
        return dotted.split(".", 2)
    if dotted.startswith("prices.") and dotted.count(".") > 1:
        model, _, what = dotted.removeprefix("prices.").rpartition(".")
        return ["prices", model, what]
    return dotted.split(".")


def require_key(dotted: str) -> Key:
    """Returns a key by name.

    Raises:
        UsageError: There is no such key; the message names the nearest.
    """
    key = find_key(dotted)
    if key is not None:
        return key
    raise UsageError(f"no configuration key {shown(dotted)}; {nearest(dotted)}")


def nearest(dotted: str) -> str:
    """Returns the end of a message about an unknown key: the nearest one, or all."""
    from difflib import get_close_matches

    near = get_close_matches(dotted, KEYS, n=1)
    return f"did you mean {near[0]}?" if near else f"the keys are {', '.join(KEYS)}"


def shown(value: object) -> str:
    """Returns a key or a value as a message shows it: escaped, and not too long."""
    return ascii(f"{value[:60]}…" if isinstance(value, str) and len(value) > 60 else value)


def settings_of(layers: "list[Config]") -> Settings:
    """Returns the settings from layers of configuration; the first layer with a key wins.

    Raises:
        UsageError: A value is out of range.
    """
    merged: "Config" = {}
    for layer in reversed(layers):
        merged.update(layer)
    remote = None
    if any(key.startswith("remote.") for key in merged):
        from aivcs.store.remote import RemoteSettings

        remote = RemoteSettings(
            timeout=merged.get("remote.timeout", 60.0),
            tls=merged.get("remote.tls", "verify-full"),
            password_command=merged.get("remote.password_command", ""),
        )
    return Settings(
        durability=merged.get("core.durability", "full"),
        lock_timeout=merged.get("core.lock_timeout", 30.0),
        max_event=merged.get("limits.event_bytes", 1 << 20),
        blobs=merged.get("blobs", ""),
        lost_after=merged.get("run.lost_after", 86_400.0),
        search_index=merged.get("search.index", "auto"),
        remote=remote,
        require_store=tuple(
            pair for layer in layers for pair in layer.get(REQUIRE_STORE, {}).items()
        ),
    )


def render_config(text: bytes | None, dotted: str, value: object) -> bytes:
    """Returns a configuration file with one key set, or removed if the value is None.

    A list extends the present value. Comments are kept if every setting has a line of its own;
    otherwise the file is rewritten without them.

    Raises:
        UsageError: The file is not valid TOML.
    """
    from aivcs.config.editing import render

    rule = policy_key(dotted)
    path = [POLICY, *rule] if rule else list(key_path(dotted))
    return render(text, path, value, extend=rule is None)


NO_OWN_POLICY = (
    "policies stand in a store's configuration (aivcs config set policy.NAME.RULE …) or in the "
    "system's, not in your own"
)
_PATHS = frozenset({"signing.key", "signing.allowed_signers", "signing.allowed_erasers"})
_NAMES = {
    bool: "truth value, true or false",
    str: "text",
    float: "number",
    int: "whole number",
    list: "list of texts",
}
