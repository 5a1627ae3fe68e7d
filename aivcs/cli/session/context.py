"""What surrounds a command: environment, working directory, streams, and the store they lead to."""

import os
import sys
from errno import EINVAL
from io import BufferedWriter, RawIOBase
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, BinaryIO

    from aivcs.config.keys import Config
    from aivcs.repository import Repository
    from aivcs.store.settings import Settings

MAX_FILE = 1 << 20
"""Bytes of a configuration file or a signature, at most; a device would never end."""


class Context:
    """One call of the command.

    Attributes:
        environment: The environment variables.
        json: Whether the answer, and so an error too, is to be JSON.
        color: `auto`, `always` or `never`.
        pager: Whether long output on a terminal may be paged.
        policies: The policies of the store that was opened, as `aivcs.policy.select.policy_for`
            takes them; none where nothing is configured.
        quiet: Whether nothing is said on standard error.
        arguments: What the command was called with.
        opened: The repository that was opened last, if any.
    """

    def __init__(self, environment: "Mapping[str, str] | None" = None) -> None:
        """Takes the environment of the process unless another is given."""
        self.environment = os.environ if environment is None else environment
        self.json = False
        self.color = "auto"
        self.pager = True
        self.policies: list[tuple[str, Any]] = []
        self.quiet = False
        self.arguments: Sequence[str] = ()
        self.opened: Repository | None = None
        self._folder = ""
        self._store = ""
        self._lock_timeout: float | None = None
        self._warned: set[str] = set()
        self._buffered: BufferedWriter | None = None

    def configure(
        self,
        *,
        directory: "str | None" = None,
        store: "str | None" = None,
        lock_timeout: "float | None" = None,
        color: "str | None" = None,
        no_pager: bool = False,
    ) -> None:
        """Takes the global options.

        Raises:
            UsageError: The folder of `-C` is empty or cannot be entered.
        """
        from aivcs.errors import UsageError

        if directory is not None:
            if not directory:
                raise UsageError("the DIR of -C is empty; is a variable unset?")
            self.enter(directory)
            self._folder = self.working_directory()
        if store is not None:
            if not store:
                raise UsageError("the PATH of --store is empty; is a variable unset?")
            self._store = store
        self._lock_timeout = lock_timeout
        self.color = color or "auto"
        self.pager = not no_pager

    def enter(self, folder: str) -> None:
        """Makes a folder the working directory, or the one of `-C` if that was given.

        Raises:
            UsageError: It cannot be entered.
        """
        folder = self._folder or folder
        try:
            os.chdir(folder)
        except (OSError, ValueError) as error:
            from aivcs.errors import UsageError

            reason = getattr(error, "strerror", None) or "no path"
            raise UsageError(f"cannot go to {folder!a}: {reason}") from error

    def given(self) -> "list[str]":
        """Returns the options that lead to the store as they were given, for another process."""
        words = ["-C", self._folder] if self._folder else []
        if self._store:
            store = self._store if "://" in self._store else os.path.abspath(self._store)
            words += ["--store", store]
        if self._lock_timeout is not None:
            words += ["--lock-timeout", f"{self._lock_timeout:g}"]
        return words

    def repository(self) -> "Repository":
        """Opens the store: by `--store`, by AIVCS_STORE, or found from the working directory up.

        Raises:
            NoRepositoryError: There is none.
            UsageError: The configuration or a variable is invalid.
            BackendError: The store found belongs to somebody else.
        """
        from aivcs.repository import Repository
        from aivcs.store.settings import Settings

        named = self.named_store()
        if named:
            if named[0] != "/":
                self.working_directory()  # which is to be there
            repo = Repository.open(named, Settings())
        else:
            repo = Repository.discover(self.working_directory(), Settings())
            if repo.backend.owner != os.geteuid():
                self._require_trusted(repo)
        settings = self._settings(repo)
        if settings is not None:
            repo.backend.settings = settings
        self.opened = repo
        return repo

    def named_store(self) -> str:
        """Returns the store that `--store` or AIVCS_STORE names; empty if neither does."""
        return self._store or self.environment.get("AIVCS_STORE", "")

    def working_directory(self) -> str:
        """Returns the working directory.

        Raises:
            UsageError: It was removed.
        """
        try:
            return os.getcwd()
        except OSError as error:
            from aivcs.errors import UsageError

            raise UsageError("the working directory is gone; cd elsewhere, or use -C") from error

    def config_layers(self, repo: "Repository | None") -> "list[tuple[str, Config]]":
        """Returns where configuration comes from, strongest first, with what each place says.

        Raises:
            UsageError: A place says something invalid.
        """
        from aivcs.config.keys import SYSTEM, USER, check_value, parse_config

        layers: list[tuple[str, Config]] = []
        if self._lock_timeout is not None:
            layers.append(
                (
                    "--lock-timeout",
                    {
                        "core.lock_timeout": check_value(
                            "core.lock_timeout", self._lock_timeout, "--lock-timeout"
                        )
                    },
                )
            )
        waiting = self.environment.get("AIVCS_LOCK_TIMEOUT")
        if waiting:
            layers.append(("AIVCS_LOCK_TIMEOUT", {"core.lock_timeout": _seconds(waiting)}))
        own = repo.backend.read_config() if repo is not None else None
        if repo is not None and own is not None:
            path = f"{repo.path}/config.toml"
            layers.append((path, parse_config(own, path, warn=self._warn)))
        for whose, path in ((USER, self.user_config_path()), (SYSTEM, self.system_config_path())):
            text = read_config(path)
            if text is not None:
                layers.append((path, parse_config(text, path, whose=whose, warn=self._warn)))
        return layers

    def _warn(self, message: str) -> None:
        """Says something once, however often it is found out."""
        if message not in self._warned:
            self._warned.add(message)
            self.tell(f"aivcs: warning: {message}")

    def user_config_path(self) -> str:
        """Returns where the user's configuration file is, or would be."""
        home = self.environment.get("HOME", "")
        if sys.platform == "linux" and home.startswith("/"):
            # What platformdirs says there, without its import; a test holds the two together.
            base = self.environment.get("XDG_CONFIG_HOME", "").strip() or f"{home}/.config"
            return f"{base}/aivcs/config.toml"
        from platformdirs import user_config_dir

        return f"{user_config_dir('aivcs', appauthor=False)}/config.toml"

    def system_config_path(self) -> str:
        """Returns where the configuration file for all users is, or would be."""
        if sys.platform == "linux":
            # As above, without an import.
            folders = self.environment.get("XDG_CONFIG_DIRS", "").split(":")
            base = next((folder for folder in folders if folder.startswith("/")), "/etc/xdg")
            return f"{base}/aivcs/config.toml"
        from platformdirs import site_config_dir

        return f"{site_config_dir('aivcs', appauthor=False)}/config.toml"

    def run_operand(self, text: str) -> str:
        """Returns the RUN that is meant: `@` is the one in AIVCS_RUN.

        Raises:
            UsageError: AIVCS_RUN is not set.
        """
        if text != "@":
            return text
        run = self.environment.get("AIVCS_RUN", "")
        if not run:
            from aivcs.errors import UsageError

            raise UsageError(
                "@ means the run in AIVCS_RUN, which is not set: "
                "export AIVCS_RUN=$(aivcs run start …)"
            )
        return run

    def stdin(self) -> "BinaryIO":
        """Returns standard input, unbuffered."""
        return open(0, "rb", buffering=0, closefd=False)

    def write(self, data: "str | bytes | memoryview") -> None:
        """Writes data to standard output, text as UTF-8 whatever the locale.

        Raises:
            OutputError: It is closed or full.
            BrokenPipeError: Nobody reads it any more.
        """
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        try:
            self._output().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.strerror or str(error)) from error

    def tell(self, message: str) -> None:
        """Writes a line to standard error, for a person, unless `quiet`; never fails."""
        if self.quiet:
            return
        try:
            stream = _stream(sys.stderr)
            stream.write(f"{message}\n".encode("utf-8", "backslashreplace"))
            stream.flush()
        except (OSError, ValueError):
            pass  # there is nowhere left to say it

    def flush(self, *, quiet: bool = False) -> None:
        """Brings out what was written.

        Raises:
            OutputError: Standard output is closed or full, unless `quiet`.
            BrokenPipeError: Nobody reads it any more.
        """
        if sys.stdout is None:
            return
        try:
            self._output().flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            if not quiet:
                raise OutputError(error.strerror or str(error)) from error

    def _output(self) -> "BinaryIO":
        """Standard output, which takes all that it is given or fails.

        Where Python was told to buffer nothing (PYTHONUNBUFFERED, as in many containers) its own
        takes less than all, without a word, when the disk becomes full.
        """
        stream = _stream(sys.stdout)
        if not isinstance(stream, RawIOBase):
            return stream
        if self._buffered is None or self._buffered.raw is not stream:
            self._buffered = BufferedWriter(stream)
        return self._buffered

    def wait_for_reader(self, seconds: float) -> None:
        """Waits, but no longer than somebody reads standard output.

        Raises:
            BrokenPipeError: Nobody reads it any more.
        """
        from select import POLLERR, POLLHUP, poll
        from time import sleep

        reader = poll()
        reader.register(1, 0)
        for _, happened in reader.poll(seconds * 1000):
            if happened & (POLLERR | POLLHUP):
                raise BrokenPipeError
            sleep(seconds)  # what cannot be watched here: a device of macOS

    def is_terminal(self) -> bool:
        """Whether standard output is a terminal that a person reads."""
        return os.isatty(1)

    def _settings(self, repo: "Repository") -> "Settings | None":
        """The settings that configuration gives, or None where nothing is configured."""
        if (
            self._lock_timeout is None
            and not self.environment.get("AIVCS_LOCK_TIMEOUT")
            and repo.backend.read_config() is None
            and not os.path.exists(self.user_config_path())
            and not os.path.exists(self.system_config_path())
        ):
            return None
        from aivcs.config.keys import policies, settings_of

        layers = self.config_layers(repo)
        self.policies = policies(layers)
        return settings_of([values for _, values in layers])

    def _require_trusted(self, repo: "Repository") -> None:
        from aivcs.errors import BackendError

        trusted: list[str] = []
        for whose, path in (
            ("user", self.user_config_path()),
            ("system", self.system_config_path()),
        ):
            try:
                text = read_config(path)
            except BackendError:
                continue  # somebody else's home: nobody here is said to be trusted
            if text is not None:
                from aivcs.config.keys import parse_config

                trusted += parse_config(text, path, whose=whose).get("safe.directory", [])
        if "*" not in trusted and repo.path not in map(os.path.abspath, trusted):
            raise BackendError(
                f"the store {repo.path} belongs to another user (id {repo.backend.owner}). "
                f"If you trust it, name it: --store {repo.path}, "
                f"or once for all: aivcs config set --user safe.directory {repo.path}"
            )


class OutputError(Exception):
    """Standard output cannot take what is to be written."""


def _stream(stream: "Any") -> "BinaryIO":
    if stream is None:
        raise OSError(9, "it is closed")
    buffer: BinaryIO = stream.buffer
    return buffer


def read_config(path: str) -> "bytes | None":
    """Returns what is in a configuration file, or None if there is no such file.

    Raises:
        BackendError: It cannot be read, is no file, or is too long to be one of configuration.
    """
    return read_file(path, opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    """Opens a file, or what some link to for an empty one; a pipe would wait for its writer."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    found = os.fstat(fd)
    if not S_ISREG(found.st_mode) and not os.path.samestat(found, os.stat(os.devnull)):
        os.close(fd)
        raise OSError(EINVAL, "it is no regular file")
    return fd


def read_file(path: str, opener: "Callable[[str, int], int] | None" = None) -> "bytes | None":
    """Returns what is in a file of configuration or a signature, or None if there is no such file.

    Args:
        path: The file.
        opener: What opens it, as for `open`.

    Raises:
        BackendError: It cannot be read, or is too long to be either.
    """
    try:
        with open(path, "rb", opener=opener) as file:
            data = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        from aivcs.errors import BackendError

        raise BackendError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_FILE:
        from aivcs.errors import BackendError

        raise BackendError(f"cannot read {path}: it has more than {MAX_FILE} bytes")
    return data


def _seconds(text: str) -> float:
    from aivcs.config.keys import check_value
    from aivcs.errors import UsageError

    try:
        return float(check_value("core.lock_timeout", float(text), "AIVCS_LOCK_TIMEOUT"))
    except ValueError:
        raise UsageError(f"AIVCS_LOCK_TIMEOUT={text!a} is no number of seconds") from None
