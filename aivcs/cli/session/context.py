"""The environment of a command: variables, working directory, streams, and the store."""

import os
import sys
from io import BufferedWriter, FileIO

from aivcs.config import files as config_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, BinaryIO, TextIO

    from aivcs.cli.remote.find import Remote
    from aivcs.config.keys import Config
    from aivcs.repository import Repository
    from aivcs.store.settings import Settings
    from aivcs.sync.spool import Spool


class Context:
    """One call of the command.

    Attributes:
        environment: The environment variables.
        json: Whether the answer, and an error, is printed as JSON.
        color: `auto`, `always` or `never`.
        table: Whether to format for a person although output is not a terminal.
        pager: Whether long output on a terminal may be paged.
        layers: The configuration of the opened store, as returned by `config_layers`.
        policies: The policies of that store, as `aivcs.policy.select.policy_for`
            takes them; none where nothing is configured.
        quiet: Whether only errors are printed on standard error.
        arguments: The words of the command line, without the name of the program.
        opened: The repository that was opened last, if any.
        acting: The store at which the command acts instead, as the home of a release; or None.
        spool: The spool in which `recorder` records, or None.
        patience: Seconds of retries, untold, before a store cannot be reached; None: as configured.
        time_limit: Seconds that the call may take, and so its retries, or None.
        keeps_apart: Whether a store is opened without the separate store of its blobs, as the
            commands do that read or change the setting `blobs`.
    """

    def __init__(self, environment: "Mapping[str, str] | None" = None) -> None:
        """Takes the environment of the process unless another is given."""
        self.environment = os.environ if environment is None else environment
        self.json = False
        self.color = "auto"
        self.table = False
        self.pager = True
        self.layers: list[tuple[str, Config]] = []
        self.policies: list[tuple[str, Any]] = []
        self.quiet = False
        self.arguments: Sequence[str] = ()
        self.opened: Repository | None = None
        self.acting: Repository | None = None
        self.spool: Spool | None = None
        self.patience: float | None = None
        self.time_limit: float | None = None
        self.keeps_apart = False
        self._own: bytes | None = None
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
        table: bool = False,
        quiet: bool = False,
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
        self.table = table
        self.quiet = self.quiet or quiet
        self.pager = not no_pager

    def enter(self, folder: str) -> None:
        """Changes the working directory to a folder, or to that of `-C` if it was given.

        Raises:
            UsageError: The folder cannot be entered.
        """
        folder = self._folder or folder
        try:
            os.chdir(folder)
        except (OSError, ValueError) as error:
            from aivcs.errors import UsageError

            reason = getattr(error, "strerror", None) or "no path"
            raise UsageError(f"cannot go to {folder!a}: {reason}") from error

    def given(self) -> "list[str]":
        """Returns the options that lead to the store, for another process."""
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
            NoRepositoryError: No store was found, or a link file names one that is not trusted.
            UsageError: The configuration or a variable is invalid.
            ConflictError: A trusted URL leads to another store.
            BackendError: The discovered store belongs to another user.
        """
        if self.acting is not None:
            return self.acting
        self.opened = self.open_store(self._located())
        return self.opened

    def recorder(self, run: str = "", *, reads: bool = False) -> "Repository":
        """Opens what a run is recorded in: the store, or its spool, where there is one.

        Args:
            run: The run, as for `Repository.resolve_run`; empty for one to be started. If it is not
                in the spool, the store is opened.
            reads: Whether the run is only read: then the store is asked for one that has arrived.

        Raises:
            AivcsError: As `repository`.
            AmbiguousError: Several runs of the spool fit.
        """
        if self.acting is not None:
            return self.acting
        store = self._located()
        if "://" in store or os.path.isfile(store):
            from aivcs.cli.session.spooling import find_recorder

            found = find_recorder(self, store, run, reads=reads)
            if found is not None:
                self.opened = found
                return found
        self.opened = self.open_store(store)
        return self.opened

    def push_spooled(self, runs: "Sequence[str]") -> None:
        """Pushes what waits in the spool of the opened store, before something relies on it.

        Raises:
            StorageError: One of the runs cannot be pushed, or the store is away.
        """
        from aivcs.cli.session.spooling import push_first

        kept = self.layers, self.policies, self._own
        try:
            push_first(self, runs)
        finally:
            self.layers, self.policies, self._own = kept

    def network_store(self) -> str:
        """Returns the URL of the store that the call is about; empty for a folder. Opens nothing.

        Raises:
            NoRepositoryError: No store was found, or a link file names one that is not trusted.
            BackendError: The discovered store belongs to another user.
        """
        store = self._located()
        if "://" not in store and os.path.isfile(store):
            from aivcs.config import link

            store = link.follow(store, environment=self.environment).store
        scheme = store.partition("://")[0].lower() if "://" in store else "file"
        return "" if scheme in {"file", "bundle", "memory"} else store

    def name_of(self, repo: "Repository") -> str:
        """Returns the path or URL by which other processes open the store of a repository.

        For a spool that is the store that its runs are for.
        """
        if getattr(repo, "spool", None) is not None:
            return self.network_store()
        return repo.path

    def _located(self) -> str:
        """The URL, or the absolute path of the folder or link file, of the store of this call."""
        named = self.named_store()
        if named:
            if named[0] != "/" and "://" not in named:
                self.working_directory()  # fails if it was removed
            return named if "://" in named else os.path.abspath(named)
        from aivcs.opening import find_store

        store = find_store(self.working_directory())
        self._require_own(store)
        return store

    def open_store(self, store: str) -> "Repository":
        """Opens a store by its URL, or by the absolute path of its folder or of a link file.

        Raises:
            AivcsError: As `repository`.
        """
        from aivcs import errors

        try:
            repo = self.open_named(store)
        except errors.NoRepositoryError:
            if "://" in store or not os.path.isfile(store):
                raise
        else:
            if self.layers and "://" in store:
                self._require_identity(repo)
            return repo
        return self._open_linked(store)

    def open_named(self, store: str, *, is_typed: bool | None = None) -> "Repository":
        """Opens a store by URL or absolute path; does not check owner, trust or id.

        The place of its blobs needs no trust if it `is_typed`; None: if the call's store was named.
        """
        from aivcs.repository import Repository

        return Repository.open(store, self.settings_for(store, is_typed=is_typed))

    def settings_for(
        self, store: str, *, is_typed: bool | None = None
    ) -> "Callable[[bytes | None], Settings]":
        """Returns a function that makes the settings from the text of a store's configuration."""
        is_typed = bool(self.named_store()) if is_typed is None else is_typed
        return lambda own: self._settings(store, own, is_typed)

    def _open_linked(self, path: str) -> "Repository":
        """Opens the store that a link file names.

        Raises:
            NoRepositoryError: The store is not trusted, or does not exist.
            ConflictError: It is another store than the one that was trusted.
        """
        from aivcs.config import link, trust

        store, ids = link.follow(path, environment=self.environment)
        if not ids and os.path.exists(store):
            self._require_own(store)
        repo = self.open_named(store)
        if ids:
            trust.require_identity(repo.store, ids)
        return repo

    def _require_identity(self, repo: "Repository") -> None:
        """Requires that a trusted URL leads to the store that was trusted."""
        from aivcs.config import layers, trust

        ids = layers.ids_in(self.layers, repo.store.url)
        if ids:
            trust.require_identity(repo.store, ids)

    def open_other(
        self, store: str, *, is_typed: bool | None = None
    ) -> "tuple[Repository, list[tuple[str, Config]]]":
        """Opens a further store by its URL or path; returns it and its configuration.

        The configuration of the call stays that of the store that was opened first.

        Raises:
            NoRepositoryError: There is no store.
            UsageError: The configuration or a variable is invalid.
        """
        kept = self.layers, self.policies, self._own
        self.layers = []
        try:
            repo = self.open_named(store, is_typed=is_typed)
            return repo, self.layers
        finally:
            self.layers, self.policies, self._own = kept

    def release_home(self, name: str) -> "Remote | None":
        """Returns the remote at which the releases of a name are changed; None if it is here.

        Call it after `repository`; it loads nothing unless a home is configured.

        Raises:
            UsageError: The configuration contradicts itself, or names an unknown remote.
        """
        if self.acting is not None or not any(
            key.startswith("release.home.") for _, values in self.layers for key in values
        ):
            return None
        from aivcs.cli.remote.home import find_home

        return find_home(self, name)

    def releases_of(self, name: str, *, at_home: bool = False) -> "tuple[Repository, str]":
        """Returns the repository to read the releases of a name from, and the name there.

        REMOTE:NAME names the copy of a log of another store.

        Args:
            name: The operand.
            at_home: Whether to open the store at which the releases are changed.

        Raises:
            ReleaseNotFoundError: No log of REMOTE:NAME was pulled.
        """
        repo = self.repository()
        if at_home:
            home = self.release_home(name)
            return (repo if home is None else self.open_other(home.url)[0]), name
        if ":" not in name:
            return repo, name
        from aivcs.cli.remote.home import locate

        return locate(self, repo, name)

    def named_store(self) -> str:
        """Returns the store that `--store` or AIVCS_STORE names; empty if neither does."""
        return self._store or self.environment.get("AIVCS_STORE", "")

    def working_directory(self) -> str:
        """Returns the working directory.

        Raises:
            UsageError: The folder was removed.
        """
        try:
            return os.getcwd()
        except OSError as error:
            from aivcs.errors import UsageError

            raise UsageError("the working directory is gone; cd elsewhere, or use -C") from error

    def config_layers(self, repo: "Repository | None") -> "list[tuple[str, Config]]":
        """Returns the places of configuration with their values, the one with precedence first.

        Args:
            repo: The opened store, whose own configuration counts; or None.

        Raises:
            UsageError: A place has an invalid value.
        """
        return self._layers(*((None, None) if repo is None else (repo.path, self._own)))

    def _layers(self, store: "str | None", own: "bytes | None") -> "list[tuple[str, Config]]":
        from aivcs.config.keys import check_value
        from aivcs.config.layers import file_layers

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
        path = "" if store is None else f"{store}/config.toml"
        if "://" in path:
            from aivcs.codec.url import shown

            path = shown(path)
        return layers + file_layers(self.environment, (path, own), warn=self._warn_once)

    def _warn_once(self, message: str) -> None:
        """Prints a warning once, however often its reason is found; passwords in URLs masked."""
        if "://" in message:
            from aivcs.codec.url import hide_passwords

            message = hide_passwords(message)
        if message not in self._warned:
            self._warned.add(message)
            self.warn(f"aivcs: warning: {message}")

    def home(self) -> str:
        """Returns the user's home; empty if neither HOME nor the list of users has one."""
        return config_files.home(self.environment)

    def user_config_path(self) -> str:
        """Returns the path of the user's configuration file; empty without a home."""
        return config_files.user_config_path(self.environment)

    def system_config_path(self) -> str:
        """Returns the path of the configuration file for all users."""
        return config_files.system_config_path(self.environment)

    def run_operand(self, text: str) -> str:
        """Returns the RUN of an operand: `@` is the run in AIVCS_RUN.

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
        return Descriptor(0, "r", closefd=False)

    def write(self, data: "str | bytes | memoryview") -> None:
        """Writes data to standard output, text as UTF-8 whatever the locale.

        Raises:
            OutputError: Standard output is closed or full.
            BrokenPipeError: The reader of standard output is gone.
        """
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        try:
            self._output().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.strerror or str(error)) from error

    def warn(self, message: str, *, is_error: bool = False) -> None:
        """Writes a line to standard error. `quiet` suppresses all but errors. Never fails."""
        if self.quiet and not is_error:
            return
        data = f"{message}\n".encode("utf-8", "backslashreplace")
        try:
            stream = Descriptor(2, "w", closefd=False)
            while data:
                data = data[stream.write(data) :]
        except (OSError, ValueError):
            pass  # there is nowhere left to report it

    def flush(self, *, quiet: bool = False) -> None:
        """Flushes standard output.

        Raises:
            OutputError: Standard output is closed or full, unless `quiet`.
            BrokenPipeError: The reader of standard output is gone.
        """
        if self._buffered is None:
            return
        try:
            self._buffered.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            if not quiet:
                raise OutputError(error.strerror or str(error)) from error

    def _output(self) -> BufferedWriter:
        """Opens standard output with a buffer that writes everything or fails.

        Python's own loses data without an error when it is unbuffered (PYTHONUNBUFFERED, as in many
        containers) and the disk fills up, and it fails where a non-blocking pipe is full.
        """
        if self._buffered is None:
            self._buffered = BufferedWriter(Descriptor(1, "w", closefd=False))
        return self._buffered

    def text_output(self) -> "TextIO":
        """Returns standard output as a text stream, for libraries that print."""
        from io import TextIOWrapper

        found = sys.stdout
        encoding = found.encoding if found is not None else "utf-8"
        return TextIOWrapper(self._output(), encoding, getattr(found, "errors", None))

    def wait_for_reader(self, seconds: float) -> None:
        """Waits for a time, or until nobody reads standard output.

        Raises:
            BrokenPipeError: The reader of standard output is gone.
        """
        from select import POLLERR, POLLHUP, poll
        from time import sleep

        reader = poll()
        reader.register(1, 0)
        for _, happened in reader.poll(seconds * 1000):
            if happened & (POLLERR | POLLHUP):
                raise BrokenPipeError
            sleep(seconds)  # poll cannot watch some devices of macOS

    def is_terminal(self) -> bool:
        """Whether standard output is a terminal that a person reads."""
        return os.isatty(1)

    def for_person(self) -> bool:
        """Whether to format for a person: on a terminal, or where a table or colour is forced."""
        return self.table or self.color == "always" or self.is_terminal()

    def _settings(self, store: str, own: "bytes | None", is_typed: bool) -> "Settings":
        """Returns the settings of a store, whose own configuration is this text."""
        from aivcs.store.settings import Settings

        self._own = own
        if (
            self._lock_timeout is None
            and not self.environment.get("AIVCS_LOCK_TIMEOUT")
            and own is None
            and config_files.is_absent(self.user_config_path(), or_unreachable=True)
            and config_files.is_absent(self.system_config_path())
            and config_files.is_absent(config_files.MACHINE)
        ):
            settings = Settings()
        else:
            from aivcs.config.keys import settings_of
            from aivcs.config.layers import policies

            self.layers = self._layers(store, own)
            self.policies = policies(self.layers)
            settings = settings_of([values for _, values in self.layers])
        if "://" in store:
            if self.patience is None:
                settings.remote.notify = self._warn_once
            limits = (settings.remote.timeout, self.patience, self.time_limit)
            settings.remote.timeout = min(limit for limit in limits if limit is not None)
        if self.keeps_apart:
            settings.blobs = ""
        if settings.blobs and not is_typed:
            # The store was found, not named by the user, and sends blobs to somewhere else.
            from aivcs.config import trust

            trust.require_trusted(
                settings.blobs, f"{store}/config.toml", environment=self.environment
            )
        return settings

    def _is_own(self, owner: int) -> bool:
        """Whether a store belongs to this user, or to the user who called sudo."""
        if owner == os.geteuid():
            return True
        caller = self.environment.get("SUDO_UID", "")
        return (
            os.geteuid() == 0 and caller.isascii() and caller.isdecimal() and int(caller) == owner
        )

    def _require_own(self, store: str) -> None:
        """Refuses a discovered store of another user that no configuration trusts."""
        from aivcs.errors import BackendError

        try:
            owner = os.stat(store).st_uid
        except OSError as error:
            raise BackendError(f"cannot look at {store}: {error.strerror}") from error
        if self._is_own(owner):
            return
        from aivcs.config.layers import own_files, parse_config, read_config

        trusted: list[str] = []
        for whose, path in own_files(self.environment):
            try:
                text = read_config(path)
            except BackendError:
                continue  # another user's home: it trusts nothing here
            if text is not None:
                trusted += parse_config(text, path, whose=whose).get("safe.directory", [])
        if "*" not in trusted and store not in map(os.path.abspath, trusted):
            raise BackendError(
                f"the store {store} belongs to another user (id {owner}). "
                f"If you trust it, name it: --store {store}, "
                f"or once for all: aivcs config set --user safe.directory {store}"
            )


class OutputError(Exception):
    """Standard output cannot be written."""


class Descriptor(FileIO):
    """A descriptor that waits for I/O even in non-blocking mode.

    `O_NONBLOCK` is shared with the other processes that have the pipe: agent hosts and node set it
    on inherited pipes, at any time, and clearing it here would break them.
    """

    def read(self, size: "int | None" = -1, /) -> bytes:
        """Reads up to a number of bytes, as they come; none at the end."""
        assert size is not None
        assert size > 0  # without a limit FileIO ends at the first pause
        while True:
            data: bytes | None = super().read(size)
            if data is not None:
                return data
            self._wait(1)

    def readinto(self, buffer: "Any", /) -> int:
        """Reads into a buffer as bytes come. Returns their number, 0 at the end."""
        while True:
            count: int | None = super().readinto(buffer)
            if count is not None:
                return count
            self._wait(1)

    def write(self, data: "Any", /) -> int:
        """Writes some of the bytes. Returns their number."""
        while True:
            count: int | None = super().write(data)
            if count is not None:
                return count
            self._wait(4)

    def _wait(self, events: int) -> None:
        """Waits for POLLIN (1), POLLOUT (4), or an error that the next call reports."""
        from select import poll

        ready = poll()
        ready.register(self, events)
        ready.poll()


def _seconds(text: str) -> float:
    from aivcs.config.keys import check_value, parse_number, shown
    from aivcs.errors import UsageError

    try:
        seconds = parse_number(float, text)
        return float(check_value("core.lock_timeout", seconds, "AIVCS_LOCK_TIMEOUT"))
    except ValueError:
        raise UsageError(f"AIVCS_LOCK_TIMEOUT={shown(text)} is not a number of seconds") from None
