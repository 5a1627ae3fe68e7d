"""Handlers of `aivcs report` and `aivcs web`."""

from __future__ import annotations

from aivcs.errors import BackendError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository
    from aivcs.trace.usage import Figures
    from aivcs.web.source import Source


def report(
    context: Context,
    output: str | None,
    agents: list[str],
    runs: list[str],
    compared: str | None,
    since: str | None,
    limit: int | None,
    title: str | None,
    now: str | None,
    no_redact: bool,
    markdown: bool,
    github_summary: bool,
) -> int:
    """Writes the report to a file or to standard output. 14 if something could not be read."""
    from aivcs.cli.render.markdown import Target
    from aivcs.cli.render.time_format import parse_since
    from aivcs.commands.output_file import write_file
    from aivcs.model.timestamp import Timestamp
    from aivcs.web.report import MAX_RUNS, Wanted, as_bytes, report as write_report

    if output == "":
        raise UsageError("the FILE of -o is empty; is a variable unset?")
    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of runs, 0 or more")
    if markdown and output is not None:
        raise UsageError("--markdown prints; -o writes the page: give one of them")
    target = Target(context, markdown=markdown, github_summary=github_summary, as_json=False)
    repo = context.repository()
    source = _source(context, repo, no_redact=no_redact)
    wanted = Wanted(
        now=Timestamp.now() if now is None else parse_since(now, "--now"),
        title=title or "aivcs report",
        agents=agents,
        since=None if since is None else parse_since(since),
        limit=MAX_RUNS if limit is None else limit,
        runs=[context.run_operand(run) for run in runs],
        compared=None if compared is None else _two_runs(context, compared),
    )
    if target.is_wanted:
        from aivcs.cli.web.report_markdown import summary

        target.write(summary(repo, wanted, source.unread.append))
    pieces = () if target.replaces_output else as_bytes(write_report(source, wanted))
    if output is None or output == "-":
        for piece in pieces:
            context.write(piece)
    else:
        write_file(output, pieces)
    context.flush()
    for what in source.unread:
        from aivcs.cli.render.output import escape

        context.warn(f"aivcs: not in the report: {escape(what)}", is_error=True)
    return 14 if source.unread else 0


def _source(
    context: Context,
    repo: Repository,
    *,
    no_redact: bool,
    known: dict[tuple[str, int], Figures] | None = None,
) -> Source:
    from aivcs.config.prices import prices
    from aivcs.config.signers import erasers, verifier
    from aivcs.formats.masking import Masker
    from aivcs.web.source import Source

    layers = context.config_layers(repo)
    return Source(
        repo,
        masker=None if no_redact else Masker(),
        verifier=verifier(layers, context.environment),
        environment=context.environment,
        known=known,
        prices=prices(layers),
        erasers=erasers(layers, context.environment),
    )


def _two_runs(context: Context, text: str) -> tuple[str, str]:
    a, dots, b = text.partition("..")
    if not dots or not a or not b:
        raise UsageError(f"--diff takes two runs, RUN..RUN, not {text!a}")
    return context.run_operand(a), context.run_operand(b)


def web(
    context: Context,
    port: int | None,
    socket: str | None,
    no_token: bool,
    open_browser: bool,
    no_redact: bool,
) -> None:
    """Prints the address of the page, and serves it until it is interrupted."""
    from secrets import token_hex, token_urlsafe

    from aivcs.web.server import PageServer

    if socket is not None and (port is not None or open_browser):
        raise UsageError("--socket serves on a file, without a port and without a browser")
    if socket == "":
        raise UsageError("the PATH of --socket is empty; is a variable unset?")
    if port is not None and not 0 <= port < 1 << 16:
        raise UsageError("--port takes a number up to 65535; 0 is any that is free")
    repo = context.repository()
    _source(context, repo, no_redact=no_redact)  # fails now if the configuration is invalid
    known: dict[tuple[str, int], Figures] = {}
    name, token = token_hex(8), "" if no_token else token_urlsafe(32)
    try:
        server = PageServer(
            lambda: _source(context, repo, no_redact=no_redact, known=known),
            name, token, port=port or 0, path=socket or "",
        )  # fmt: skip
    except OSError as error:
        where = f"port {port} of 127.0.0.1" if socket is None else repr(socket)
        raise BackendError(f"cannot serve on {where}: {error.strerror or error}") from error
    host = f"{name}.localhost:{server.rules.port}" if socket is None else "localhost"
    address = f"http://{host}/{f'?token={token}' if token else ''}"
    context.write(f"{address}\n")
    context.flush()
    if socket is not None:
        context.warn(f"on another machine: ssh -L 8080:{socket} HOST, then localhost:8080")
    if open_browser:
        import webbrowser

        webbrowser.open(address)
    try:
        server.serve_forever()
    finally:
        server.server_close()
