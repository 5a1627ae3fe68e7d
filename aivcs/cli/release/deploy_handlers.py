"""Handlers of `aivcs release wait`, `watch` and `checkout`: what a deployer calls."""

from __future__ import annotations

import time
from contextlib import suppress

from aivcs.cli.release.operand import require_bare
from aivcs.cli.render import output as render
from aivcs.commands.release.vet import Terms, objection
from aivcs.commands.release.watch import Refusal, Watch
from aivcs.errors import StorageError, UsageError
from aivcs.model.release import ReleaseRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.release.watch_folder import WatchFolder
    from aivcs.cli.session.context import Context
    from aivcs.model.release_entries import LogEntry
    from aivcs.repository import Repository

_TIMED_OUT, _REFUSED = 11, 15
_RETRY_SECONDS = 1.0, 60.0
"""Seconds before a failed command is tried again: at first, and at most."""


def wait(
    context: Context,
    name: str,
    target: str | None,
    to: str | None,
    change: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Prints the digest that is live. 1 if it is not the awaited one, 11 if the time was up."""
    from aivcs.cli.exit_codes import print_error
    from aivcs.cli.release.operand import split_release
    from aivcs.commands.release.wait import wait as wait_for

    name, target = split_release(name, target, to)
    answer = wait_for(
        context.repository(),
        name,
        target,
        change=change,
        timeout=timeout,
        pause=time.sleep,
    )
    if answer.is_there:
        assert answer.live is not None
        _print(context, answer.live, as_json=as_json)
        return 0
    live = "nothing" if answer.live is None else _shown(answer.live)
    if answer.is_there is None:
        what = "a change" if change else target or "a release"
        print_error(
            context, "WaitTimeoutError",
            f"{name}: {what} did not come within {timeout:g} s; {live} is live", _TIMED_OUT,
        )  # fmt: skip
        return _TIMED_OUT
    context.warn(f"{name}: {target} is not live, {live} is: {render.escape(answer.reason)}")
    return 1


def checkout(
    context: Context,
    name: str,
    folder: str,
    keep: int | None,
    signed: bool,
    no_verify: bool,
    as_json: bool,
) -> None:
    """Prints the folder of the version that is current now."""
    from aivcs.commands.release.checkout import KEEP, checkout as check_out

    require_bare(name, "release checkout")
    repo = context.repository()
    terms = _terms(context, signed=signed, no_verify=no_verify)
    done = check_out(repo, name, folder, keep=KEEP if keep is None else keep, terms=terms)
    if as_json:
        context.write(render.json_line({**done.record.to_json(), "path": done.path}))
        return
    context.write(f"{done.path}\n")
    context.flush()
    said = "is current now" if done.is_new else "was current already"
    context.warn(f"{name}: {_shown(done.record)} {said} in {render.escape(folder)}")


def watch(
    context: Context,
    name: str,
    command: list[str],
    each: bool,
    once: bool,
    state: str | None,
    signed: bool,
    no_verify: bool,
    as_json: bool,
) -> int:
    """Prints each release that goes live, or executes the command for it."""
    from aivcs.cli.release.watch_command import Terminated, die_of_sigterm, end_on_sigterm
    from aivcs.cli.release.watch_folder import WatchFolder

    require_bare(name, "release watch")
    words = _command(command)
    repo = context.repository()
    terms = _terms(context, signed=signed, no_verify=no_verify)
    try:
        end_on_sigterm()
        folder = None
        if state is not None:
            folder = WatchFolder(state, name, repo.store.settings.lock_timeout)
        cursor = folder.read() if folder is not None else None
        watching = Watch(repo, name, each=each, terms=terms, cursor=cursor)
        if folder is not None:
            folder.wait_for_orphan(lambda what: context.warn(f"{name}: {what}"))
        return _Loop(context, repo, watching, words, folder, as_json=as_json).run(once=once)
    except Terminated:
        with suppress(Exception):
            context.flush(quiet=True)
        die_of_sigterm()


class _Loop:
    """Looks, handles what is to be handled, and waits."""

    def __init__(
        self,
        context: Context,
        repo: Repository,
        watching: Watch,
        words: list[str],
        folder: WatchFolder | None,
        *,
        as_json: bool,
    ) -> None:
        self._context, self._repo, self._watch = context, repo, watching
        self._words, self._folder, self._as_json = words, folder, as_json
        self._failed: tuple[int, float, float] | None = None
        self._is_away = False

    def run(self, *, once: bool) -> int:
        shortest, longest = self._repo.store.poll_seconds
        delay = shortest
        code = 0
        while True:
            try:
                due = self._look()
            except StorageError as error:
                if once or not error.is_store_away:
                    raise
                self._tell_away(error)
                self._pause(longest)
                continue
            if due is not None and not self._is_too_early(due):
                delay = shortest
                found = self._take(due, once=once)
                code = code or found
                if found and once and not isinstance(due, Refusal):
                    return code
                continue
            if once:
                return code
            self._pause(delay)
            delay = min(delay * 1.5, longest)

    def _look(self) -> LogEntry | Refusal | None:
        """Returns what is to be handled next, by what the log says now."""
        if self._watch.look():
            self._keep()
        due = self._watch.next()
        if self._is_away:
            self._is_away = False
            self._context.warn("aivcs: the store can be reached again", is_error=True)
        return due

    def _tell_away(self, error: StorageError) -> None:
        """Tells once that the store is away: a watch outlasts that, as it is a matter of time."""
        if not self._is_away:
            self._is_away = True
            said = render.escape(str(error))
            self._context.warn(f"aivcs: {said}; the watch goes on and tries again", is_error=True)

    def _take(self, due: LogEntry | Refusal, *, once: bool) -> int:
        """Handles a release, or a refusal; returns the exit code that it would give."""
        if isinstance(due, Refusal):
            self._tell(due)
            self._keep()
            return _REFUSED
        code = self._execute(due) if self._words else self._print(due)
        if code:
            self._fail(due, code, once=once)
            return code
        self._failed = None
        self._watch.done(due)
        self._keep()
        return 0

    def _print(self, entry: LogEntry) -> int:
        if self._as_json:
            self._context.write(render.json_line(self._event(entry)))
        else:
            record = _record(entry)
            metadata = record.metadata
            cells = (
                str(record.seq), record.action, record.spec_digest, metadata.version_label or "-",
                record.created_at, metadata.promoted_by, metadata.notes or "-",
            )  # fmt: skip
            self._context.write(render.plain_line(cells))
        self._context.flush()
        return 0

    def _execute(self, entry: LogEntry) -> int:
        from aivcs.cli.release.watch_command import environment_for, execute

        context, folder = self._context, self._folder
        record = _record(entry)
        context.warn(f"{record.name}: {_shown(record)} is live")
        code = execute(
            self._words,
            environment_for(entry, context.environment, self._repo.path),
            render.json_line(self._event(entry)).encode() if self._as_json else b"",
            folder.note_running if folder is not None else None,
        )
        if folder is not None:
            folder.note_ended()
        return code

    def _event(self, entry: LogEntry) -> dict[str, object]:
        from aivcs.formats.cloudevents import release_event

        return release_event(_record(entry), entry.hash, _url(self._repo.path))

    def _fail(self, entry: LogEntry, code: int, *, once: bool) -> None:
        """Notes a failure: the command is executed again, ever more rarely, until it succeeds."""
        record = _record(entry)
        first, most = _RETRY_SECONDS
        again = first
        if self._failed is not None and self._failed[0] == record.seq:
            again = min(2 * self._failed[2], most)
        self._failed = record.seq, time.monotonic() + again, again
        self._context.warn(
            f"aivcs: {self._words[0]!a} failed for {record.name}@{record.seq} with exit code "
            f"{code}{'' if once else f'; again in {again:g} s'}",
            is_error=True,
        )

    def _is_too_early(self, due: LogEntry | Refusal) -> bool:
        if self._failed is None or isinstance(due, Refusal):
            return False
        seq, moment, _ = self._failed
        return _record(due).seq == seq and time.monotonic() < moment

    def _tell(self, due: Refusal) -> None:
        record = _record(due.entry)
        self._context.warn(
            f"aivcs: {record.name}@{record.seq} may not be deployed here, and nothing was done: "
            f"{render.escape(objection(due.checks))}",
            is_error=True,
        )

    def _keep(self) -> None:
        if self._folder is not None:
            self._folder.write(self._watch.cursor)

    def _pause(self, seconds: float) -> None:
        if self._words:
            time.sleep(seconds)
        else:
            self._context.wait_for_reader(seconds)


def _command(words: list[str]) -> list[str]:
    """Returns the command: the word `--exec` before it may be left out."""
    if words[:1] and words[0] in {"--exec", "--"}:
        words = words[1:]
        if words[:1] == ["--"]:
            words = words[1:]
        if not words:
            raise UsageError("--exec is followed by a command and its arguments")
    if words and words[0].startswith("-"):
        raise UsageError(f"{words[0]!a} stands after NAME; options come before it")
    if words and not words[0]:
        raise UsageError("COMMAND is empty; is a variable unset?")
    return words


def _terms(context: Context, *, signed: bool, no_verify: bool) -> Terms | None:
    """Returns the deployer's conditions: by the files of the user and the system alone."""
    from aivcs.config.layers import policies
    from aivcs.config.signers import erasers, require_verifier, verifier

    if no_verify:
        if signed:
            raise UsageError("--no-verify checks no signature; leave out one of the two")
        return None
    layers = context.config_layers(None)
    find = require_verifier if signed else verifier
    return Terms(
        policies(layers),
        find(layers, context.environment),
        context.environment,
        requires_signature=signed,
        erasers=erasers(layers, context.environment),
    )


def _print(context: Context, record: ReleaseRecord, *, as_json: bool) -> None:
    line = render.json_line(record.to_json()) if as_json else f"{record.spec_digest}\n"
    context.write(line)


def _record(entry: LogEntry) -> ReleaseRecord:
    assert isinstance(entry.value, ReleaseRecord)
    return entry.value


def _shown(record: ReleaseRecord) -> str:
    label = record.metadata.version_label
    shown = f"{record.spec_digest.short} (@{record.seq}"
    return f"{shown}, {render.escape(label)})" if label else f"{shown})"


def _url(store: str) -> str:
    """Returns the URI of a store, for others, without a password."""
    if "://" in store:
        from aivcs.codec.url import shown

        return shown(store)
    from urllib.parse import quote

    return f"file://{quote(store)}"
