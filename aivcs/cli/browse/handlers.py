"""Handler of `aivcs browse`, also for `aivcs release history -i`."""

from __future__ import annotations

import os

from aivcs.errors import (
    BackendError,
    InvalidNameError,
    ReleaseNotFoundError,
    RunNotFoundError,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository
    from aivcs.tui.pages.page import Page, Source


def browse(context: Context, what: str | None) -> int:
    """Shows the browser until the person leaves it."""
    if what == "":
        raise UsageError("NAME|RUN is empty; is a variable unset?")
    _require_terminal(context, "aivcs browse")
    _require_textual()
    repo = context.repository()
    source = _source(context, repo)
    if what is None:
        from aivcs.tui.pages.names import NamesPage

        return _show(NamesPage(source))
    return _show(_page_of(context, source, what))


def browse_history(context: Context, name: str) -> int:
    """Shows the history of a name in the browser."""
    _require_terminal(context, "release history -i")
    _require_textual()
    repo, name = context.releases_of(name)
    if repo.releases.current(name) is None:
        raise ReleaseNotFoundError(name)
    from aivcs.tui.pages.history import HistoryPage

    return _show(HistoryPage(_source(context, repo), name))


def _page_of(context: Context, source: Source, what: str) -> Page:
    """Returns the page of a name, a release or a run.

    Raises:
        RunNotFoundError: Nothing is called so.
    """
    from aivcs.cli.release.operand import split_release
    from aivcs.commands.release.history import find_seq
    from aivcs.tui.pages.history import HistoryPage
    from aivcs.tui.pages.release import ReleasePage
    from aivcs.tui.pages.run import RunPage
    from aivcs.tui.pages.runs import RunsPage

    if what[0] != "@":
        repo, name = context.releases_of(what) if ":" in what else (source.repo, what)
        source = source._replace(repo=repo)
        name, target = split_release(name)
        if target is not None:
            return ReleasePage(source, name, find_seq(repo, name, target))
        if _has_releases(repo, name):
            return HistoryPage(source, name)
        if next(repo.runs.iter_runs(agent_name=name, limit=1), None) is not None:
            return RunsPage(source, agent=name)
    try:
        return RunPage(source, source.repo.resolve_run(context.run_operand(what)))
    except UsageError:
        if what[0] == "@":
            raise
        raise RunNotFoundError(what) from None


def _has_releases(repo: Repository, name: str) -> bool:
    try:
        return repo.releases.current(name) is not None
    except InvalidNameError:
        return False


def _source(context: Context, repo: Repository) -> Source:
    from aivcs.config.signers import erasers, verifier
    from aivcs.tui.pages.page import Source

    layers = context.config_layers(repo)
    return Source(
        repo,
        verifier(layers, context.environment),
        context.environment,
        erasers(layers, context.environment),
    )


def _show(page: Page) -> int:
    from aivcs.codec.url import shown
    from aivcs.tui.browse import browse

    return browse(page, shown(page.repo.path))


def _require_terminal(context: Context, what: str) -> None:
    """Requires a terminal on which a screen can be drawn.

    Raises:
        UsageError: There is none.
    """
    if not os.isatty(0) or not os.isatty(1):
        raise UsageError(
            f"{what} needs a terminal for input and output; elsewhere: aivcs release list, "
            "release history, run list, or report for a page"
        )
    if context.environment.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        raise UsageError(f"{what} cannot draw on this terminal: TERM is unset or dumb")


def _require_textual() -> None:
    """Requires the library that draws.

    Raises:
        BackendError: It is not installed.
    """
    try:
        import textual  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"the terminal browser needs a library that is not installed ({error}): "
            "pip install 'aivcs-cli[tui]'"
        ) from None
