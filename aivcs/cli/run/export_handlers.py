"""Handlers of the commands that give runs to other programs."""

from __future__ import annotations

import os

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context


def export(
    context: Context,
    runs: list[str],
    form: str | None,
    output: str | None,
    url: str | None,
    protobuf: bool,
) -> None:
    """Prints runs in a form, writes them to a file, or posts them."""
    form = _checked_form(form, output, url, protobuf=protobuf)
    runs = [context.run_operand(run) for run in runs]
    repo = context.repository()
    if form == "sqlite":
        from aivcs.commands.run.export_sqlite import export_sqlite

        assert output is not None
        export_sqlite(repo, runs, output)
        return
    from aivcs.commands.run.export import export

    pieces = export(repo, runs, form)
    if url is not None:
        from aivcs.commands.run.post_traces import headers_in, post

        # Of headers for all signals and those for traces, the latter count.
        every = context.environment.get("OTEL_EXPORTER_OTLP_HEADERS", "")
        of_traces = context.environment.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "")
        headers = headers_in(every, "OTEL_EXPORTER_OTLP_HEADERS")
        headers |= headers_in(of_traces, "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
        texts = (piece for piece in pieces if isinstance(piece, str))
        encode = None
        if protobuf:
            from aivcs.formats.write.otlp_protobuf import as_protobuf

            encode = as_protobuf
        post(url, texts, headers=headers, encode=encode)
    elif output is not None:
        from aivcs.commands.output_file import write_file

        write_file(output, pieces)
    else:
        for piece in pieces:
            context.write(piece)


def _checked_form(form: str | None, output: str | None, url: str | None, *, protobuf: bool) -> str:
    """Returns the form that is wanted.

    Raises:
        UsageError: Options do not go together.
    """
    if form is None:
        if url is None:
            raise UsageError("name the form: --format jsonl, otlp, atif, markdown, trace or sqlite")
        form = "otlp"
    for name, value in (("FILE of -o", output), ("URL of --to", url)):
        if value == "":
            raise UsageError(f"the {name} is empty; is a variable unset?")
    if url is not None and (form != "otlp" or output is not None):
        raise UsageError("--to takes --format otlp, and no -o")
    if protobuf and url is None:
        raise UsageError("--protobuf goes with --to URL")
    if form == "sqlite" and output is None:
        raise UsageError("--format sqlite makes a file: name it with -o FILE")
    return form


def digest(context: Context, run: str, replay: bool) -> None:
    """Prints the digest of a run."""
    from aivcs.commands.run.digest import digest

    found = digest(context.repository(), context.run_operand(run), replay=replay)
    context.write(f"{found}\n")


def session(context: Context, run: str, program: str | None, as_json: bool) -> None:
    """Prints the command that resumes the session."""
    from aivcs.cli.render.output import json_line
    from aivcs.commands.run.session import place_session

    home = context.home()
    environment = context.environment
    homes = {
        "claude-code": environment.get("CLAUDE_CONFIG_DIR", "") or f"{home}/.claude",
        "codex": environment.get("CODEX_HOME", "") or f"{home}/.codex",
        "gemini-cli": f"{home}/.gemini",
    }
    if not home and not all(map(os.path.isabs, homes.values())):
        raise UsageError("there is no home; set HOME")
    repo = context.repository()
    run = context.run_operand(run)
    folder = context.working_directory()
    placed = place_session(repo, run, program, folder=folder, homes=homes)
    if as_json:
        members = {"path": placed.path, "command": placed.command, "masked": placed.is_masked}
        context.write(json_line(members))
    else:
        context.write(f"{placed.command}\n")
    if placed.is_masked:
        context.warn(
            "aivcs: warning: secrets in this session are masked; what the agent did with them "
            "cannot be done again"
        )
