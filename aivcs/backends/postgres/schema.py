"""Makes and upgrades the schema of a store; only `aivcs init` and `aivcs store upgrade` do.

`meta` has two numbers: the format of the lines, which is that of every store, and the version of
the tables and functions. A newer one is refused, and an older one until it is upgraded.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from aivcs import errors
from aivcs.errors import BackendError
from aivcs.log.chain import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.postgres.session import Session

VERSION = 2
"""The version of the tables and functions in schema.sql; with any change of its text, the next."""
OLDEST_SERVER = 140_000
"""The oldest PostgreSQL, as its server_version_num."""
STEPS: dict[int, str] = {
    1: "ALTER TABLE chunks ADD COLUMN ahead bigint;"
    "DROP FUNCTION redact(text, bigint, bytea, integer); DROP FUNCTION require_document(text);"
    "DROP FUNCTION require_append(text, name);"
    # Rows of runs whose first lines claim the id of another run.
    "SELECT set_config('aivcs.change', 'logs', true);"
    "UPDATE logs SET listed = false FROM runs WHERE log = id AND name <> 'run/' || run_id;"
    "DELETE FROM runs USING logs WHERE log = id AND name <> 'run/' || run_id;"
    "SELECT set_config('aivcs.change', '', true)"
}
"""SQL that makes the tables of version N those of N+1, by N, with the schema as search_path. The
last step makes all functions anew, as schema.sql has them."""
_FUNCTION = re.compile(r"^CREATE FUNCTION .*?\$\$.*?\$\$;$", re.DOTALL | re.MULTILINE)


def require_server(session: Session) -> None:
    """Requires a server that can hold a store.

    Raises:
        BackendError: It is too old, or the database is not in UTF-8.
    """
    rows = session.read(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
        "getdatabaseencoding()"
    )
    number, version, encoding = rows[0]
    url = session.address.url
    if number < OLDEST_SERVER:
        raise BackendError(f"{url}: PostgreSQL {version} is too old; aivcs needs 14 or later")
    if encoding != "UTF8":
        raise BackendError(
            f"{url}: the database is in {encoding}; aivcs needs UTF8: "
            "createdb --encoding UTF8 --template template0 NAME"
        )


def version_of(session: Session) -> int | None:
    """Returns the version of a store's schema; None if there is no store.

    Raises:
        UnsupportedFormatError: A later version of aivcs made it.
        BackendError: The user has no rights in the schema.
    """
    schema = session.address.schema
    ((there, allowed),) = session.read(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = %s AND relname = 'meta'), "
        "(SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s)",
        schema,
        schema,
    )
    if not there:
        return None
    if not allowed:
        raise no_rights(session)
    ((form, version),) = session.read("SELECT format, schema FROM {s}.meta")
    _require_known(session, form, version)
    return int(version)


def schemas(session: Session) -> list[str]:
    """Returns the names of the schemas of the database that have a store, in order."""
    return [
        name
        for (name,) in session.read(
            "SELECT nspname::text FROM pg_namespace n WHERE 2 = (SELECT count(*) FROM pg_class "
            "WHERE relnamespace = n.oid AND relkind = 'r' AND relname IN ('meta', 'chunks')) "
            "ORDER BY 1 LIMIT 20"
        )
    ]


def open_store(session: Session) -> tuple[int, bytes | None] | None:
    """Connects; returns the version of the store's schema and its configuration, if there is one.

    Returns:
        None if there is no store.

    Raises:
        UnsupportedFormatError: A later version of aivcs made it.
        BackendError: The user has no rights in the schema, or the server refuses the connection.
        UnreachableError: The server cannot be reached.
    """
    try:
        ((form, version, config),) = session.open(
            "SELECT format, schema, (SELECT data FROM {s}.documents WHERE name = 'config.toml') "
            "FROM {s}.meta"
        )
    except errors.UnreachableError:
        raise
    except (BackendError, ValueError):
        found = version_of(session)  # says why, if it is the store and not the connection
        return None if found is None else (found, None)
    _require_known(session, form, version)
    return version, config


def _require_known(session: Session, form: int, version: int) -> None:
    if form > FORMAT or version > VERSION:
        raise errors.UnsupportedFormatError(
            f"{session.address.url} was made by a newer aivcs (format {form}, schema {version}; "
            f"this one knows {FORMAT} and {VERSION}); install a newer aivcs"
        )


def no_rights(session: Session) -> BackendError:
    """Returns the error for a user who may not even read."""
    ((user,),) = session.read("SELECT session_user::text")
    return BackendError(
        f"{session.address.url}: {user} has no rights in this store; its owner gives them with "
        "the SQL of: aivcs store grants --role reader"
    )


def outdated(session: Session, version: int) -> errors.UnsupportedFormatError:
    """Returns the error for a store of an older schema."""
    return errors.UnsupportedFormatError(
        f"{session.address.url} has schema {version}, and this aivcs needs {VERSION}; "
        "its owner upgrades it with: aivcs store upgrade"
    )


def install(session: Session) -> None:
    """Makes a store, if there is none; all of it or nothing.

    Raises:
        BackendError: The user may not, or the server cannot hold one.
    """
    require_server(session)
    if version_of(session) is not None:
        return

    def act() -> None:
        with session.transaction():
            _lock(session)
            if version_of(session) is not None:
                return
            try:
                session.execute("CREATE SCHEMA IF NOT EXISTS {s}")
            except errors.UnreachableError:
                raise
            except BackendError as error:
                said = str(error).partition("; ")[0]
                raise BackendError(
                    f"{said}; nothing was done. Let the owner of the database make the schema: "
                    f"CREATE SCHEMA {session.schema} AUTHORIZATION USER; then init again"
                ) from error
            _run(session, _sql())
            session.execute(
                "INSERT INTO {s}.meta (format, schema) VALUES (%s, %s)", FORMAT, VERSION
            )

    session.repeat(act, is_change=False)  # whoever comes second finds it made


def upgrade(session: Session) -> Iterator[str]:
    """Brings a store to this version, one transaction for each step; yields what was done.

    Raises:
        BackendError: The user is not the owner, or a step failed; that step changed nothing.
    """
    while step := session.repeat(lambda: _step(session), is_change=True):
        yield step


def _step(session: Session) -> str:
    """Does the next step of an upgrade; returns what was done, or nothing if it is the version."""
    with session.transaction():
        _lock(session)
        version = version_of(session)
        if version is None or version >= VERSION:
            return ""
        if version not in STEPS:
            raise BackendError(
                f"{session.address.url}: nothing leads from schema {version} to {version + 1}; "
                "copy the store to a new one"
            )
        is_last = version + 1 == VERSION
        _run(session, STEPS[version] + (f";\n{_functions()}" if is_last else ""))
        if is_last:
            from aivcs.backends.postgres.rights import new_grants

            session.script(new_grants(session))
        session.execute("UPDATE {s}.meta SET schema = %s", version + 1)
    return f"schema {version} -> {version + 1}"


def _lock(session: Session) -> None:
    session.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", f"{session.address.schema} schema"
    )


def _run(session: Session, sql: str) -> None:
    """Executes a script in the schema; nobody has a right to its functions until it is given."""
    session.execute("SELECT set_config('search_path', %s, true)", f"{session.schema}, pg_temp")
    session.script(sql)
    session.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {s} FROM PUBLIC")
    session.execute("SELECT set_config('search_path', '', true)")


def _sql() -> str:
    """The script beside this module."""
    path = os.path.join(os.path.dirname(__file__), "schema.sql")
    with open(path, encoding="utf-8") as file:
        return _with_compression(file.read())


def _functions() -> str:
    """The functions of the script, to replace those that are there; who may call them stays."""
    found = _FUNCTION.findall(_sql())
    return "\n".join(text.replace("CREATE", "CREATE OR REPLACE", 1) for text in found)


def _with_compression(sql: str) -> str:
    """The script, with the faster compression where the server was built with it."""
    return sql + (
        "\nDO $$ BEGIN ALTER TABLE chunks ALTER data SET COMPRESSION lz4;"
        " EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL; END $$;\n"
    )
