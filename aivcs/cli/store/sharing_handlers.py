"""Handlers of `aivcs trust` and of `aivcs store grants, check, upgrade`."""

from __future__ import annotations

from aivcs.cli.render import output as render
from aivcs.codec.url import shown
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context

_NO_ROLES = (
    "this store is a folder: whoever may write to its files has every role; "
    "see aivcs init --shared, --private"
)
_NO_SCHEMA = "this store is a folder, which has no schema to upgrade"


def trust(
    context: Context,
    store: str | None,
    store_id: str | None,
    show: bool,
    remove: bool,
    as_json: bool,
) -> None:
    """Trusts a store, prints the trusted ones, or removes one."""
    from aivcs.config import trust

    if show:
        if store is not None or remove or store_id is not None:
            raise UsageError("--list goes alone: aivcs trust --list")
        for entry in trust.list_trusted(context.environment):
            entry = entry._replace(store=shown(entry.store))
            if as_json:
                context.write(render.json_line(entry._asdict()))
            else:
                context.write(render.plain_line(entry))
        return
    if store is None:
        raise UsageError("give the URL of a store, or --list")
    name = trust.name_of(store)
    if remove:
        if not trust.remove(name, environment=context.environment):
            raise UsageError(
                f"your configuration does not trust {name}; aivcs trust --list shows what it does"
            )
        return
    trust.refuse_password(name, "the configuration")
    if store_id is None:
        store_id = _id_of(context, name)
    elif not _is_store_id(store_id):
        raise UsageError(f"{store_id[:80]!a} is not the id of a store: 32 hexadecimal digits")
    trust.add(name, store_id, environment=context.environment)
    context.write(f"{store_id}\n")


def _id_of(context: Context, name: str) -> str:
    """The id of a store, which is opened without regard to an earlier trust."""
    from aivcs.store.identity import identify

    return identify(context.open_named(name, is_typed=True).store.documents)


def _is_store_id(text: str) -> bool:
    from aivcs.store.identity import is_store_id

    return is_store_id(text)


def grants(context: Context, role: str, names: str | None) -> None:
    """Prints the statements or the policy that give a role its rights."""
    from aivcs.commands.store.administration import grants

    text = grants(context.repository(), role, names)
    if text is None:
        context.warn(_NO_ROLES)
    else:
        context.write(f"{text.rstrip()}\n")


def check(context: Context) -> int:
    """Prints the faults in the setup of a store. Exit code 1 if there are any."""
    from aivcs.commands.store.administration import check

    code = 0
    for fault in check(context.repository()):
        context.write(f"{render.escape(fault)}\n")
        code = 1
    if not code:
        context.warn("no fault found in the setup; aivcs verify checks the content")
    return code


def upgrade(context: Context) -> None:
    """Prints each step of an upgrade when it is done."""
    from aivcs.commands.store.administration import upgrade

    steps = upgrade(context.repository())
    if steps is None:
        context.warn(_NO_SCHEMA)
        return
    number = 0
    for step in steps:
        context.write(f"{render.escape(step)}\n")
        context.flush()
        number += 1
    if not number:
        context.warn("the store has this version's schema already")
