"""Handlers of the commands that read releases; those that scripts call in loops: `handlers`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context


def show(
    context: "Context", name: str, target: "str | None", to: "str | None", as_json: bool
) -> None:
    """Prints an entry with its evidence, blocks, signatures and policy."""
    from aivcs.cli.release.operand import split_release
    from aivcs.cli.release.view import shown_fields
    from aivcs.cli.render import output as render
    from aivcs.commands.release.history import show

    name, target = split_release(name, target, to)
    repo, name = context.releases_of(name)
    shown = show(repo, name, target)
    if as_json:
        context.write(render.json_line(shown.to_json()))
    else:
        render.fields(context, shown_fields(shown))


def diff(
    context: "Context",
    name: str,
    before: "str | None",
    after: "str | None",
    ignored: "list[str]",
    exit_code: bool,
    as_json: bool,
    markdown: bool,
    github_summary: bool,
) -> int:
    """Prints the differences of two releases. Exit code 1 with `--exit-code` if there are any."""
    from aivcs.cli.release import comparison_view as view
    from aivcs.cli.release.operand import split_releases
    from aivcs.cli.render import output as render
    from aivcs.cli.render.markdown import Target
    from aivcs.commands.release.diff import compare_releases
    from aivcs.config.prices import prices

    target = Target(context, markdown=markdown, github_summary=github_summary, as_json=as_json)
    name, before, after = split_releases(name, before, after)
    repo, name = context.releases_of(name)
    found = compare_releases(
        repo, name, before, after, ignored, prices(context.config_layers(repo))
    )
    if target.is_wanted:
        from aivcs.cli.release.comparison_markdown import comparison

        target.write(comparison(found))
    if as_json:
        context.write(render.json_line(view.as_json(found)))
    elif not markdown:
        render.lines(context, view.plain(found), lambda color: view.shown(found, color=color))
        for record in found.without_run:
            context.warn(
                f"{name}@{record.seq}: no completed run of the spec {record.spec_digest.short}, "
                "so what it does is not compared"
            )
    return int(exit_code and not found.is_equal)


def list_(context: "Context", uses: "list[str]", as_json: bool) -> int:
    """Prints the live release of each name. Exit code 14 or 16 if a log cannot be read."""
    from aivcs.cli.exit_codes import report_unread
    from aivcs.cli.release import view
    from aivcs.cli.render import output as render
    from aivcs.commands.release.list import list_

    live, damaged = list_(context.repository(), uses=uses)
    if as_json:
        for told in live:
            context.write(render.json_line({**told.record.to_json(), "blocked": told.is_blocked}))
    else:
        view.write_list(context, live)
    return report_unread(context, damaged)
