"""The command line: the only code that knows terminals, environment and working directory.

`main` is the entry point. `parse/` turns the words of a command line into a call, by a generated
table, and by Typer for the rest. Each noun has a folder with its `options` (declarations and help),
`handlers` (the call of a command and what it prints) and views. `exit_codes` maps errors to exit
codes and messages, `hints` suggests what was meant. For all nouns: `session/` (what a call finds
around it: variables, store, git, CI system), `render/` (tables, colours, times), `exec/` (the
process that `run exec` watches), `shell/` (completion, sessions) and `help/`.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


def find_modules_directly() -> None:
    """Lets this process find the modules of aivcs without searching; for a process of the command.

    Python asks four finders for a module and lists each new folder. A command loads some forty
    modules from a dozen folders, so this saves it a tenth of an interpreter's start.
    """
    if type(__spec__.loader).__name__ == "SourceFileLoader":  # not in an archive
        sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]


class _Finder:
    """A finder of `sys.meta_path` that derives a module's file from its name."""

    @staticmethod
    def find_spec(
        name: str, path: "list[str] | None" = None, _: object = None
    ) -> "ModuleSpec | None":
        """Returns the specification of a module of this package, None for any other."""
        if path is None or name[:6] != "aivcs.":
            return None
        base = f"{path[0]}/{name.rpartition('.')[2]}"
        for file, folders in ((f"{base}.py", None), (f"{base}/__init__.py", [base])):
            try:
                os.stat(file)
            except OSError:
                continue
            loader: type = type(__spec__.loader)
            spec = type(__spec__)(name, loader(name, file), origin=file)
            spec.submodule_search_locations = folders
            spec.has_location = True
            return spec
        return None
