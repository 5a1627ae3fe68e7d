"""Handler of `aivcs run import`: opens the sources, and prints what became of them."""

from __future__ import annotations

import os

from aivcs.cli.render.output import escape, json_line
from aivcs.cli.session.git_identity import actor
from aivcs.codec.url import shown
from aivcs.commands.blob.input_files import open_input
from aivcs.commands.run.import_ import Imported, Options, Result, Source, import_source
from aivcs.errors import AivcsError, ErasedError, StorageError, UsageError
from aivcs.model.timestamp import Timestamp
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from aivcs.cli.session.context import Context
    from aivcs.config.keys import Config
    from aivcs.formats.masking import Masker
    from aivcs.repository import Repository


def import_(
    context: Context,
    files: list[str],
    source_format: str | None,
    all_: bool,
    agent: str | None,
    spec: str | None,
    seal: bool,
    no_redact: bool,
    as_json: bool,
) -> int:
    """Prints the id of each run (of all: of those that changed), and what was done and masked."""
    if all_ == bool(files):
        raise UsageError("give the files to import, or --all for every session of yours")
    if agent is not None:
        from aivcs.model.record import check_name

        check_name("agent name", agent)
    if source_format is not None and not all_:
        from aivcs.formats.registry import find_format

        source_format = find_format(source_format).name
    repo = context.repository()
    digest = None
    if spec is not None:
        digest = repo.resolve_spec(spec)
        repo.require_spec(digest)
    masker = None if no_redact else masker_of(context, context.config_layers(repo))
    chosen = None if all_ else source_format
    options = Options(chosen, agent, digest, seal, masker, actor(context), set())
    if all_:
        return _import_all(context, repo, source_format, options, as_json=as_json)
    code, done, empty = 0, [], 0
    for name, source in _named(context, files):
        try:
            result = _import(repo, source, options)
        except Exception as error:  # a fault of a reader, too, concerns one source
            if len(files) == 1:
                raise
            told = _report(context, name, error)
            if _is_store_away(error):
                code = told
                break
            code = code or told
            continue
        done += result.sessions
        _print(context, result.sessions, as_json=as_json)
        tell_rest(context, result, name)
        if result.empty and len(files) > 1:
            empty += result.empty
        elif not (result.sessions or result.pending or result.held):
            context.warn(f"{escape(name)}: there is no session in it")
    context.flush()
    summarize(context, done, masker, empty=empty)
    return code


def _is_store_away(error: Exception) -> bool:
    return isinstance(error, StorageError) and error.is_store_away


def _import_all(
    context: Context, repo: Repository, name: str | None, options: Options, *, as_json: bool
) -> int:
    """Imports the session files of the programs that aivcs knows, the oldest first."""
    from time import time_ns

    from aivcs.commands.hook.programs import PROGRAMS, find_program, session_files
    from aivcs.commands.hook.seen import Seen
    from aivcs.commands.hook.state import state_folder, write_state

    chosen = PROGRAMS if name is None else (find_program(name),)
    began = str(Timestamp.now())
    files = []
    for program in chosen:
        folder = program.home(context.environment, context.home())
        if folder:
            files += [(file, program) for file in session_files(program, folder)]
    states = state_folder(context.environment, context.home())
    # Whatever was asked for besides may change what is stored of a file that is known.
    plain = Options(masker=options.masker, by=options.by, durable=options.durable)
    is_plain = options == plain and options.masker is not None
    seen = Seen(states if is_plain else "", repo)
    code, skipped, done, empty = 0, 0, [], 0
    for file, program in sorted(files, key=lambda pair: (pair[0].changed, pair[0].path)):
        if seen.has(file):
            skipped += 1
            continue
        try:
            stream = open_input(file.path)
            source = Source(file.path, _base(file.path), stream, program.format)
            result = _import(repo, source, options)
        except ErasedError as error:
            context.warn(f"{escape(file.path)}: passed over: {escape(str(error))}")
            continue
        except Exception as error:  # noqa: BLE001 as for files that are named
            code = _report(context, file.path, error) or code
            if _is_store_away(error):
                break
            continue
        seen.add(file, [one.run_id for one in result.sessions], time_ns())
        done += result.sessions
        empty += result.empty or not (result.sessions or result.pending or result.held)
        changed = [one for one in result.sessions if one.new_events or one.created]
        _print(context, changed, as_json=as_json)
        tell_rest(context, result, file.path)
    seen.save()
    context.flush()
    summarize(context, done, options.masker, skipped=skipped, empty=empty)
    if not files:
        titles = ", ".join(one.title for one in chosen)
        context.warn(f"no sessions of {titles} are here")
    for program in {program.name: program for _, program in files}.values() if not code else ():
        write_state(
            states,
            program.name,
            captured_at=began,
            store=shown(repo.path),
            error=None,
            error_at=None,
        )
    return code


def _report(context: Context, name: str, error: Exception) -> int:
    """Prints an error about one of several sources; returns its exit code."""
    from aivcs.cli.exit_codes import report

    error.args = (f"{name}: {error}", *error.args[1:])
    context.flush()
    return report(context, error)


def masker_of(context: Context, layers: Iterable[tuple[str, Config]]) -> Masker:
    """Returns what masks secrets: those of fixed form, of the environment, and of one's own rules.

    Raises:
        UsageError: A rule of one's own is not a rule.
    """
    from aivcs.formats.masking import RULES, Masker, make_rule
    from aivcs.trace.redaction import PATTERNS, find_secrets

    patterns, rules = list(PATTERNS), list(RULES)
    for place, values in layers:
        patterns += values.get("exec.redact", [])
        for text in values.get("import.redact", []):
            name, mark, pattern = text.partition("=")
            if not mark or not name.isprintable() or not name or "*" in name:
                raise UsageError(
                    f"{place}: import.redact has {text[:60]!a}; write NAME=REGULAR EXPRESSION"
                )
            rules.insert(0, make_rule(name, pattern))
    secrets = find_secrets(context.environment, patterns)
    known = {secret.decode(errors="replace"): name for secret, name in secrets.items()}
    return Masker(known, rules)


def _import(repo: Repository, source: Source | AivcsError, options: Options) -> Result:
    if isinstance(source, AivcsError):
        raise source
    with source.stream:
        return import_source(repo, source, options)


def _named(context: Context, files: list[str]) -> Iterator[tuple[str, Source | AivcsError]]:
    for path in files:
        if path == "-":
            yield "standard input", Source("", "-", context.stdin())
            continue
        try:
            stream = open_input(path)
        except AivcsError as error:
            yield path, error
            continue
        yield path, Source(os.path.abspath(path), _base(path), stream)


def _base(path: str) -> str:
    name = os.path.basename(path)
    return "".join(c if c.isprintable() else "?" for c in name) or "-"


def _print(context: Context, found: list[Imported], *, as_json: bool) -> None:
    for one in found:
        if as_json:
            context.write(json_line(_fields(one)))
        elif one.events:
            context.write(f"{one.run_id}\n")


def tell_rest(context: Context, result: Result, name: str) -> None:
    """Prints on standard error what of a source is not in a run yet."""
    name = escape(name)
    if result.pending:
        are = "is" if result.pending == 1 else "are"
        context.warn(f"{name}: the last {count(result.pending, 'byte')} {are} no record yet")
    if result.held:
        records = count(result.held, "record")
        context.warn(f"{name}: {records} of no session yet; --seal takes them as they are")


def _fields(one: Imported) -> dict[str, Any]:
    fields = one._asdict()
    del fields["is_open"], fields["is_sealed"]
    return fields


def summarize(
    context: Context,
    done: list[Imported],
    masker: Masker | None,
    *,
    skipped: int = 0,
    empty: int = 0,
) -> None:
    """Prints on standard error how much was imported, masked, and not understood.

    Args:
        context: The call.
        done: What became of each session.
        masker: What masked secrets.
        skipped: The number of files that were known, and not read.
        empty: The number of sessions without events.
    """
    started = sum(one.created for one in done)
    extended = sum(bool(one.new_events) and not one.created for one in done)
    events = sum(one.new_events for one in done)
    unchanged = len(done) - started - extended
    numbers = ((started, " new"), (extended, " extended"), (unchanged, " unchanged"))
    parts = [f"{number:,}{how}" for number, how in numbers if number]
    if empty:
        have = "has" if empty == 1 else "have"
        context.warn(f"{count(empty, 'session')} {have} no events, and so no run")
    if skipped:
        context.warn(f"{count(skipped, 'file')} unchanged since an import")
    if parts:
        runs = "run" if len(done) == 1 else "runs"
        context.warn(f"{runs}: {', '.join(parts)}; {count(events, 'new event')}")
    if masker is not None and masker.counts:
        rules = ", ".join(f"{name} {number:,}" for name, number in sorted(masker.counts.items()))
        number = count(sum(masker.counts.values()), "secret")
        context.warn(f"masked {number}: {escape(rules)}")
    unknown: dict[str, int] = {}
    for one in done:
        for kind, times in one.unknown.items():
            unknown[kind] = unknown.get(kind, 0) + times
    if unknown:
        kinds = ", ".join(f"{kind} {times:,}" for kind, times in sorted(unknown.items()))
        what = f"{count(sum(unknown.values()), 'record')} of {count(len(unknown), 'kind')}"
        context.warn(f"{what} not known (kept as they are): {escape(kinds)}")
    going = sum(one.is_open for one in done)
    if going:
        are = "run is" if going == 1 else "runs are"
        context.warn(
            f"{going:,} {are} still open, because the source does not say that the session "
            "is over; --seal ends it"
        )
