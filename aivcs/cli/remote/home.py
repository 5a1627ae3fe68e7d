"""Releases whose home is another store: changes are made there, and copies are read here."""

from __future__ import annotations

from contextlib import contextmanager

from aivcs.cli.remote.find import Remote, find_remote, open_remote
from aivcs.config.remotes import release_home, remotes
from aivcs.errors import UsageError
from aivcs.model.release import check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aivcs.cli.session.context import Context
    from aivcs.commands.remote.home import HomeStore
    from aivcs.repository import Repository


def find_home(context: Context, name: str) -> Remote | None:
    """Returns the remote at which the releases of a name are changed; None if it is this store.

    Raises:
        UsageError: The configuration names a remote that it does not have.
    """
    home = release_home(name, context.layers)
    if home is None:
        return None
    url = remotes(context.layers).get(home)
    if url is None:
        raise UsageError(
            f"release.home of {name} is {home}, which is not a remote; "
            f"add it: aivcs remote add {home} URL"
        )
    return Remote(home, url)


@contextmanager
def acting_at(context: Context, remote: Remote, name: str) -> Iterator[HomeStore]:
    """Returns a block in which the call's repository is the home of a name's releases.

    Policies and keys are those that hold there: of that store's configuration, the user's and the
    system's. When the block ends well, the log is pulled back.

    Raises:
        NoRepositoryError: The home is not there.
        BackendError: The home cannot be reached; nothing was done.
    """
    from aivcs.commands.remote.home import HomeStore
    from aivcs.config.layers import policies

    here = context.repository()
    there, layers = open_remote(context, remote)
    home = HomeStore(here, there, remote.name)
    kept = context.layers, context.policies
    context.acting = there
    context.layers, context.policies = layers, policies(layers)
    try:
        with there.hold():
            yield home
    finally:
        context.acting = None
        context.layers, context.policies = kept
    for outcome in home.pull_back(name):
        if outcome.error is not None:
            context.warn(
                f"aivcs: warning: the change was made at {remote.name}, but its log was not "
                f"pulled: {outcome.error}"
            )


def locate(context: Context, repo: Repository, name: str) -> tuple[Repository, str]:
    """Returns the repository and the name of REMOTE:NAME, a copy of a log; says how old it is.

    Raises:
        UsageError: There is no such remote.
        ReleaseNotFoundError: The log was not pulled.
    """
    from datetime import UTC, datetime

    from aivcs import errors
    from aivcs.cli.render.time_format import age
    from aivcs.model.timestamp import Timestamp
    from aivcs.store.pulled import PulledLogs

    remote, _, rest = name.partition(":")
    bare = rest.partition("@")[0]
    if remote not in remotes(context.layers):
        raise UsageError(f"{name[:80]!a} is neither NAME nor REMOTE:NAME: there is no such remote")
    check_release_name(bare)
    known = PulledLogs(repo.store, remote).find(bare)
    if known is None:
        raise errors.ReleaseNotFoundError(
            bare, f"no releases of {bare} were pulled from {remote}; try: aivcs pull {remote}"
        )
    moment = Timestamp.from_datetime(datetime.fromtimestamp(known.at, UTC))
    context.warn(f"{remote}:{bare}: pulled {age(moment)} ago")
    return repo.pulled_from(remote), rest


def sent(context: Context, home: HomeStore, runs: Sequence[str]) -> list[str]:
    """Pushes runs to the home; returns their ids."""
    return [home.send_run(context.run_operand(run)) for run in runs]


def send_spec_to(context: Context, remote: str, spec: str | None) -> tuple[Repository, str | None]:
    """Opens a remote and pushes a spec to it, to start a run there; returns both.

    Args:
        context: The call.
        remote: As for `find_remote`.
        spec: As for `Repository.resolve_spec` of this store; None if it is a file.
    """
    from aivcs.commands.remote.home import HomeStore

    here = context.repository()
    there, _ = open_remote(context, find_remote(context, remote))
    if spec is None:
        return there, None
    with there.hold():
        return there, HomeStore(here, there).send_spec(spec)
