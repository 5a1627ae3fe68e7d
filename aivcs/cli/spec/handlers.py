"""The handlers of `aivcs spec`."""

from __future__ import annotations

import os

from aivcs.cli.render import output as render
from aivcs.cli.spec import view
from aivcs.errors import UsageError
from aivcs.specs import spec as commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository
    from aivcs.specs.work_tree import WorkTree


def create(
    context: Context,
    paths: list[str],
    auto: bool,
    prompts: list[str],
    tools: list[str],
    config: list[str],
    graph: list[str],
    git_sha: str | None,
    root: str | None,
    excludes: list[str],
    complete: bool,
    partial: bool,
    as_json: bool,
) -> None:
    """Prints the digest of the spec. On stderr, with `--auto`, the selected files."""
    from aivcs.specs.selection import select

    if partial and complete:
        raise UsageError(
            "--complete demands all parts, --partial accepts missing ones; give one of them"
        )
    if git_sha == "HEAD":
        from aivcs.cli.session.git_identity import commit

        git_sha = commit(context, is_required=True)
    repo = context.repository()
    said = {"prompts": prompts, "tools": tools, "config": config, "graph": graph}
    named = [(part, path) for part, found in said.items() for path in found]
    selection = select(
        _tree(context, repo, root, excludes),
        [*((None, path) for path in paths), *named],
        auto=auto,
        needs_files=git_sha is None,
        folder=context.working_directory(),
        home=_home(context),
    )
    if complete:
        commands.require_complete(selection.parts)
    made = commands.create(repo, selection, git_sha)
    if as_json:
        told = view.selection_json(selection) if auto else {}
        context.write(render.json_line(view.fields_json(made) | told))
    else:
        for line in view.selection_lines(selection, with_taken=auto):
            context.warn(line)
        context.write(f"{made.digest}\n")


def list_(context: Context, limit: int | None, as_json: bool) -> None:
    """Prints the specs of the store, newest first."""
    from aivcs.commands.spec.list import list_specs

    found = list_specs(context.repository(), limit)
    if as_json:
        for spec in found:
            context.write(render.json_line(view.listed_json(spec)))
    else:
        render.table(context, view.LIST_COLUMNS, map(view.listed_row, found))


def _tree(context: Context, repo: Repository, root: str | None, excludes: list[str]) -> WorkTree:
    from aivcs.specs.work_tree import WorkTree, find_root

    if root is not None and not root:
        raise UsageError("the DIR of --root is empty; is a variable unset?")
    if root is None:
        root = find_root(context.working_directory(), _home(context))
    return WorkTree(root, store=repo.store.folder, excludes=excludes)


def _home(context: Context) -> str:
    home = context.environment.get("HOME", "")
    return os.path.realpath(home) if home else ""


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
    """Prints the path of each file."""
    from aivcs.specs.checkout import checkout

    for path in checkout(context.repository(), spec, folder, force=force):
        context.write(f"{render.escape(path)}\n")


def diff(
    context: Context,
    before: str,
    after: str | None,
    auto: bool,
    root: str | None,
    excludes: list[str],
    exit_code: bool,
    as_json: bool,
    markdown: bool,
    github_summary: bool,
) -> int:
    """Prints the differences of two specs. Exit code 1 with `--exit-code` if there are any."""
    from aivcs.cli.render.markdown import Target, code
    from aivcs.cli.spec import comparison_view as spec_comparison
    from aivcs.commands.spec.diff import compare_specs, compare_with_tree

    if auto == (after is not None):
        raise UsageError(
            "give a second SPEC to compare with, or --auto to compare with the files here"
        )
    if not auto and (root is not None or excludes):
        raise UsageError("--root and --exclude go with --auto")
    target = Target(context, markdown=markdown, github_summary=github_summary, as_json=as_json)
    repo = context.repository()
    if after is None:
        spec = commands.read(repo, before)
        tree = _tree(context, repo, root, excludes)
        found = compare_with_tree(repo, spec, tree, _home(context))
    else:
        digests = (repo.resolve_spec(text, allow_missing=True) for text in (before, after))
        found = compare_specs(repo, *digests)
    if target.is_wanted:
        from aivcs.cli.spec.comparison_markdown import markdown as as_markdown

        title = f"Spec {code(before)} and the files here" if after is None else ""
        target.write(as_markdown(found, title=title))
    if as_json:
        context.write(render.json_line(spec_comparison.as_json(found)))
    elif not markdown:
        render.lines(
            context,
            spec_comparison.lines(found),
            lambda color: spec_comparison.shown(found, color=color),
        )
    return int(exit_code and not found.is_equal)
