"""The command line: the only code that knows terminals, environment and working directory.

`main` is the entry point. `parse/` turns the words of a command line into a call, by a generated
table, and by Typer for the rest. Each noun has a folder with its `options` (declarations and help),
`handlers` (the call of a command and what it prints) and views. `exit_codes` maps errors to exit
codes and messages, `hints` suggests what was meant. For all nouns: `session/` (what a call finds
around it: variables, store, git, CI system), `render/` (tables, colours, times), `exec/` (the
process that `run exec` watches), `shell/` (completion, sessions) and `help/`.
"""

import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType


def import_directly() -> None:
    """Lets this process import the modules of aivcs in fewer steps; for a process of the command.

    Python asks four finders for a module, lists each new folder, and takes twelve system calls to
    find and read a compiled file. A command loads some thirty modules from a dozen packages, so
    this saves it a fifth of an interpreter's start.
    """
    # Not from an archive; and with -O, or a folder of their own, other compiled files are wanted.
    if (
        type(__spec__.loader) is not SourceFileLoader
        or sys.flags.optimize
        or sys.pycache_prefix is not None
    ):
        return
    sys.meta_path.insert(0, _Importer)
    for name in _BARE_PACKAGES:
        if name in sys.modules:
            continue
        parent, _, last = name.rpartition(".")
        folder = f"{_ROOT}{name.replace('.', '/')}"
        spec = _Importer.spec_of(name, folder, "__init__", [folder])
        module = sys.modules[name] = type(sys)(name)
        module.__spec__ = spec
        module.__file__ = spec.origin
        module.__path__ = spec.submodule_search_locations  # type: ignore[assignment]
        setattr(sys.modules[parent], last, module)


_BARE_PACKAGES = (
    "aivcs.backends", "aivcs.cli.blob", "aivcs.cli.parse", "aivcs.cli.release", "aivcs.cli.run",
    "aivcs.cli.session", "aivcs.codec", "aivcs.commands", "aivcs.commands.blob",
    "aivcs.commands.release", "aivcs.commands.run", "aivcs.config", "aivcs.log", "aivcs.model",
    "aivcs.policy", "aivcs.specs", "aivcs.store",
)  # fmt: skip
"""Packages without code that the commands of loops need; they are there without being read."""
_ROOT = __file__[: -len("aivcs/cli/__init__.py")]
_TAG = sys.implementation.cache_tag
_MAX_COMPILED_BYTES = 1 << 16
"""Bytes of a compiled file that are read; one that may be longer is left to Python."""


class _Importer(SourceFileLoader):
    """Finds the file of a module of this package by the module's name, and loads it.

    A module goes before a package of the same name, which Python does the other way round.
    """

    _status: "os.stat_result | None" = None
    """The status of the source file when it was found, for the load right after."""
    _compiled = ""
    """The path of the compiled file."""

    @classmethod
    def find_spec(
        cls, name: str, path: "Sequence[str] | None" = None, _: object = None
    ) -> "ModuleSpec | None":
        """Returns the specification of a module of this package, None for any other."""
        if path is None or name[:6] != "aivcs.":
            return None
        last = name.rpartition(".")[2]
        package = f"{path[0]}/{last}"
        for folder, stem, folders in ((path[0], last, None), (package, "__init__", [package])):
            try:
                status = os.stat(f"{folder}/{stem}.py")
            except OSError:
                continue
            return cls.spec_of(name, folder, stem, folders, status)
        return None

    @classmethod
    def spec_of(
        cls,
        name: str,
        folder: str,
        stem: str,
        folders: "list[str] | None",
        status: "os.stat_result | None" = None,
    ) -> "ModuleSpec":
        """Returns the specification of a module by its file."""
        loader = cls(name, f"{folder}/{stem}.py")
        loader._status = status
        loader._compiled = f"{folder}/__pycache__/{stem}.{_TAG}.pyc"
        spec = type(__spec__)(name, loader, origin=loader.path)
        spec.submodule_search_locations = folders
        spec.has_location = True
        spec.cached = loader._compiled
        return spec

    def get_code(self, fullname: str) -> "CodeType | None":
        """Returns the code of the module: the compiled one, if it is of this very source file.

        The header is that of PEP 552: magic number, no flags, time and size of the source file.
        """
        try:
            descriptor = os.open(self._compiled, os.O_RDONLY)
            try:
                data = os.read(descriptor, _MAX_COMPILED_BYTES)
            finally:
                os.close(descriptor)
            status, is_whole = self._status, len(data) < _MAX_COMPILED_BYTES
            if (
                is_whole
                and status is not None
                and data[:16]
                == b"%b\0\0\0\0%b%b"
                % (
                    MAGIC_NUMBER,
                    int(status.st_mtime).to_bytes(4, "little"),
                    status.st_size.to_bytes(4, "little"),
                )
            ):
                code: CodeType = marshal.loads(memoryview(data)[16:])  # noqa: S302 as Python does
                if code.co_filename == self.path:
                    return code
        except (OSError, EOFError, ValueError, TypeError, OverflowError, AttributeError):
            pass  # Python reads it, or compiles the source, or tells what is wrong
        return super().get_code(fullname)
