"""`aivcs spec` at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.cli.render import output as render
from aivcs.cli.spec import view
from aivcs.commands.spec import spec as commands

if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.model import ContentDigest


def create(
    context: Context,
    prompts: str | None,
    tools: str | None,
    config: str | None,
    graph: str | None,
    git_sha: str | None,
    partial: bool,
    as_json: bool,
) -> None:
    """Prints the digest of the spec."""
    if git_sha is None and not partial:
        from aivcs.cli.session.git_identity import commit

        git_sha = commit(context)
    made = commands.create(
        context.repository(),
        {"prompts": prompts, "tools": tools, "config": config, "graph": graph},
        git_sha,
        partial=partial,
    )
    if as_json:
        context.write(render.json_line(view.fields_json(made)))
    else:
        context.write(f"{made.digest}\n")


def show(context: Context, spec: str, as_json: bool) -> None:
    """Prints the parts of a spec."""
    repo = context.repository()
    found = commands.read(repo, spec)
    parts = list(commands.parts_of(repo, found))

    def size_of(digest: ContentDigest) -> int | None:
        return commands.size_of(repo, digest)

    if as_json:
        context.write(render.json_line(view.as_json(found, parts, size_of)))
    else:
        render.table(context, view.COLUMNS, view.rows(found, parts, size_of))


def checkout(context: Context, spec: str, folder: str, force: bool) -> None:
    """Prints the path of each part."""
    from aivcs.specs.checkout import checkout

    for path in checkout(context.repository(), spec, folder, force=force):
        context.write(f"{render.escape(path)}\n")


def diff(context: Context, before: str, after: str, exit_code: bool, as_json: bool) -> int:
    """Prints what differs; 1 if something does and that was asked for."""
    from aivcs.cli.spec import comparison_view as spec_comparison
    from aivcs.commands.spec.diff import compare_specs

    repo = context.repository()
    found = compare_specs(
        repo, *(repo.resolve_spec(spec, allow_missing=True) for spec in (before, after))
    )
    if as_json:
        context.write(render.json_line(spec_comparison.as_json(found)))
    else:
        render.lines(
            context,
            spec_comparison.lines(found),
            lambda color: spec_comparison.shown(found, color=color),
        )
    return int(exit_code and not found.is_equal)
