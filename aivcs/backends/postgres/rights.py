"""Roles: the SQL that gives their rights, and what is wrong with a store's rights and settings."""

from __future__ import annotations

import re
from hashlib import sha256
from time import time
from typing import TYPE_CHECKING

from aivcs.backends.postgres import schema
from aivcs.backends.postgres.client import literal, quoted
from aivcs.errors import UsageError
from aivcs.store.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.postgres.session import Session

_PATTERN = re.compile(r"[A-Za-z0-9*?][A-Za-z0-9._/*?-]*")
"""The characters of a pattern of release names."""
_MAX_ROLE = 63
"""Bytes of a role's name."""

_SKEW_S = 60
"""Seconds by which the server's clock may differ from ours without a word."""
_CHUNK_CONSTRAINTS = 11
"""Constraints of the table chunks: a primary key, two unique, two foreign keys, six checks."""
_READING = ("as_json(text)", "is_owner()", "may(text, text)", "hold_key()", "hold()", "end_hold()",
            "version_of(bytea)", "sweep(timestamptz, boolean)")  # fmt: skip
_LOGS = ("append(text, bigint, text, bytea[], bytea, boolean)", "lock_log(text)")
_BLOBS = ("put_blob(bytea)", "renew_blob(text)", "begin_upload()",
          "put_part(bigint, integer, bytea)", "finish_upload(bigint)")  # fmt: skip
_DOCUMENTS = ("write_document(text, bytea, text, bytea)", "drop_document(text, text)")
_REMOVING = ("try_removal()", "end_removal()", "remove_blob(text, timestamptz)")
_TEXTS = ("append_texts(text, bytea[], bytea, boolean)",)
_ERASING = ("redact(text, bigint, integer[], integer[], bytea[])", "remove_log(text)")
FUNCTIONS = {
    "reader": _READING,
    "recorder": (*_READING, *_LOGS, *_TEXTS, *_BLOBS, *_DOCUMENTS),
    "promoter": (*_READING, *_LOGS, *_BLOBS, *_DOCUMENTS),
    "eraser": (*_READING, *_LOGS, *_TEXTS, *_REMOVING, *_ERASING, *_DOCUMENTS),
    "maintainer": (*_READING, *_LOGS, *_REMOVING, *_DOCUMENTS),
}
"""The functions that a role calls; `rights` says beyond that what they do for it."""
TABLES = ("meta", "rights", "logs", "chunks", "runs", "parts", "blobs", "documents", "lines",
          "events", "removals")  # fmt: skip


def grants(session: Session, role: str, names: str | None = None) -> str:
    """Returns the SQL that makes a role of the database and gives it the rights of ROLE.

    Args:
        session: The store.
        role: One of `aivcs.store.roles.ROLES`.
        names: A pattern of release names, for a promoter: `*` is any characters, `?` one.

    Raises:
        UsageError: There is no such role, or the pattern is not valid.
    """
    if role not in ROLES:
        raise UsageError(f"{role[:80]!r} is not a role: give one of {', '.join(ROLES)}")
    if names is not None and role != "promoter":
        raise UsageError(f"only a promoter's rights depend on names, not those of a {role}")
    if names is not None and not _PATTERN.fullmatch(names):
        raise UsageError(f"{names[:80]!r} is not a pattern of release names, such as team/*")
    name = quoted(role_name(session.address.schema, role, names))
    lines = [
        f"-- {role} of {session.address.url}" + (f", for {names}" if names else ""),
        f"DO $$ BEGIN CREATE ROLE {name} NOLOGIN;",
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
    ]
    lines += _owner(session, name) if role == "owner" else _others(session, name, role, names)
    lines += ["-- then, for each user: " + f"GRANT {name} TO user_name;"]
    return "\n".join(lines) + "\n"


def role_name(of_schema: str, role: str, names: str | None = None) -> str:
    """Returns the name of the database's role for the rights of a role in a store."""
    name = f"{of_schema}_{role}" + (f":{names}" if names not in {None, "*"} else "")
    if len(name.encode()) <= _MAX_ROLE:
        return name
    return f"{of_schema}_{role}:{sha256(name.encode()).hexdigest()[:8]}"


def _owner(session: Session, name: str) -> list[str]:
    """Members of the owner's role are owners; so the schema's owner is given, not rights."""
    owner = session.read(
        "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = %s",
        session.address.schema,
    )[0][0]
    return [f"GRANT {quoted(owner)} TO {name};"]


def _others(session: Session, name: str, role: str, names: str | None) -> list[str]:
    database = session.read("SELECT current_database()::text")[0][0]
    tables = ", ".join(f"{session.schema}.{table}" for table in TABLES)
    lines = [
        f"GRANT CONNECT ON DATABASE {quoted(database)} TO {name};",
        f"GRANT USAGE ON SCHEMA {session.schema} TO {name};",
        f"GRANT SELECT ON {tables} TO {name};",
        *(
            f"GRANT EXECUTE ON FUNCTION {session.schema}.{function} TO {name};"
            for function in FUNCTIONS[role]
        ),
    ]
    if role != "reader":
        pattern = names or "*"
        values = f"{literal(role)}, {literal(name)}::regrole, {literal(pattern)}"
        lines.append(
            f"INSERT INTO {session.schema}.rights (kind, role, names, pattern) "
            f"VALUES ({values}, {literal(regex_of(pattern))}) ON CONFLICT DO NOTHING;"
        )
    return lines


def new_grants(session: Session) -> str:
    """Returns the SQL that lets those who have rights call what an upgrade has made anew."""
    rows = session.read(
        "SELECT kind, quote_ident(rolname) FROM {s}.rights JOIN pg_roles ON oid = role"
    )
    return ";".join(
        f"GRANT EXECUTE ON FUNCTION {session.schema}.{function} TO {role}"
        for kind, role in rows
        for function in FUNCTIONS[kind]
    )


def regex_of(pattern: str) -> str:
    """Returns a pattern of names as a regular expression of PostgreSQL."""
    parts = {"*": ".*", "?": "."}  # as fnmatch, in which policies are written
    return "^" + "".join(parts.get(c, c if c.isalnum() else f"[{c}]") for c in pattern) + "$"


def check(session: Session) -> Iterator[str]:
    """Yields sentences about what is wrong with a store's rights, clock and versions."""
    schema.require_server(session)
    version = schema.version_of(session)
    if version is None:
        yield f"there is no store in the schema {session.address.schema}: aivcs init"
        return
    if version < schema.VERSION:
        yield str(schema.outdated(session, version))
    yield from _doubtful_clock(session)
    yield from _doubtful_rights(session)
    yield from _changed_schema(session)


def settings_doubts(session: Session) -> Iterator[str]:
    """Yields sentences about settings of the server that break what is promised."""
    values = dict(
        session.read(
            "SELECT name, coalesce(reset_val, setting) FROM pg_settings "
            "WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
        )
    )
    if values.get("fsync") == "off":
        yield "the server has fsync = off: what it acknowledged does not survive a power cut"
    if values.get("full_page_writes") == "off":
        yield "the server has full_page_writes = off: a power cut can damage its pages"
    if values.get("synchronous_commit") == "off":
        yield "the server has synchronous_commit = off; aivcs sets it to on for its own sessions"


def _doubtful_clock(session: Session) -> Iterator[str]:
    told = session.read("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0]
    skew = told - time()
    if abs(skew) > _SKEW_S:
        yield (
            f"the server's clock is {abs(skew):,.0f} seconds "
            f"{'ahead of' if skew > 0 else 'behind'} that of this machine"
        )


def _doubtful_rights(session: Session) -> Iterator[str]:
    rows = session.read(
        """SELECT c.relname::text, coalesce(pg_get_userbyid(nullif(a.grantee, 0))::text, 'PUBLIC'),
            string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
        WHERE n.nspname = %s AND a.grantee <> c.relowner
            AND a.privilege_type NOT IN ('SELECT', 'USAGE')
        GROUP BY 1, 2 ORDER BY 1, 2""",
        session.address.schema,
    )
    for table, grantee, rights in rows:
        yield (
            f"{grantee} has {rights} on {table}, past the functions that check: "
            f"REVOKE {rights} ON {session.schema}.{table} FROM {quoted(grantee)}"
        )
    rows = session.read(
        "SELECT coalesce(pg_get_userbyid(nullif(a.grantee, 0))::text, 'PUBLIC') "
        "FROM pg_namespace n, aclexplode(n.nspacl) a "
        "WHERE nspname = %s AND a.grantee <> n.nspowner AND a.privilege_type = 'CREATE'",
        session.address.schema,
    )
    for (grantee,) in rows:
        yield (
            f"{grantee} may create objects in the schema: "
            f"REVOKE CREATE ON SCHEMA {session.schema} FROM {quoted(grantee)}"
        )
    rows = session.read(
        "SELECT kind, role::oid::text FROM {s}.rights "
        "WHERE NOT EXISTS (SELECT FROM pg_roles WHERE oid = role) ORDER BY 1"
    )
    for kind, oid in rows:
        yield f"a role that was dropped (oid {oid}) still has the rights of a {kind}"
    rows = session.read(
        "SELECT rolname::text FROM pg_roles r JOIN pg_namespace n ON n.nspowner = r.oid "
        "WHERE nspname = %s AND rolsuper",
        session.address.schema,
    )
    for (owner,) in rows:
        yield (
            f"the owner of the schema, {owner}, is a superuser: its functions can do anything; "
            f"give it to another: ALTER SCHEMA {session.schema} OWNER TO …, and its objects"
        )


def _changed_schema(session: Session) -> Iterator[str]:
    rows = session.read(
        """SELECT t FROM unnest(ARRAY['chunks', 'logs', 'parts', 'blobs']) t
        WHERE NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s
            AND c.relname = t AND g.tgname = 'refuse_change' AND g.tgenabled IN ('O', 'A'))""",
        session.address.schema,
    )
    for (table,) in rows:
        yield f"the trigger that refuses changes is missing or off: table {table}"
    rows = session.read(
        """SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
        WHERE n.nspname = %s AND k.conrelid = (quote_ident(%s) || '.chunks')::regclass
            AND k.convalidated AND k.contype IN ('p', 'u', 'f', 'c')""",
        session.address.schema,
        session.address.schema,
    )
    if rows[0][0] < _CHUNK_CONSTRAINTS:
        yield "a constraint of the table chunks is missing: somebody has taken it away"
