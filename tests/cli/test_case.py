"""Names that differ in case only, where the file system takes them for one, and where it does not.

A file system that ignores case is not to be had everywhere: ext4 with `casefold` is mounted where
the kernel has it, and everywhere else the calls of this process are led to what is there.
"""

import os
import shutil
import subprocess

import pytest
from folder_store import FolderStore

from aivcs.api import Repository
from aivcs.errors import ConflictError, IntegrityError
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.specs.checkout import checkout
from aivcs.store.settings import Settings

SPEC = ContentDigest("0" * 64)
BY = ReleaseMetadata("me")


@pytest.fixture(params=["imitated", "mounted"])
def place(request, tmp_path, monkeypatch):
    """A folder on a file system that ignores case."""
    if request.param == "imitated":
        folder = tmp_path / "ignores case"
        folder.mkdir()
        imitate(monkeypatch, str(folder))
        yield folder
        return
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    image, root = tmp_path / "image", tmp_path / "root"
    root.mkdir()
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    for command in (
        ["mkfs.ext4", "-q", "-F", "-O", "casefold", image],
        ["mount", "-o", "loop", image, root],
    ):
        if shutil.which(command[0]) is None or subprocess.run(command, check=False).returncode:
            pytest.skip("no ext4 that ignores case can be mounted")
    try:
        (root / "here").mkdir()
        subprocess.run(["chattr", "+F", root / "here"], check=True)
        yield root / "here"
    finally:
        subprocess.run(["umount", root], check=True)


def imitate(monkeypatch, root):
    """Leads the calls of this process below a folder to what is there in another case."""
    listdir, lstat = os.listdir, os.lstat

    def led(path):
        if not isinstance(path, (str, bytes, os.PathLike)):
            return path
        if not os.fsdecode(path).startswith(f"{root}/"):
            return path
        path = os.fsdecode(path)
        found = root
        for name in filter(None, path.removeprefix(root).split("/")):
            try:
                lstat(f"{found}/{name}")
            except FileNotFoundError:
                try:
                    names = [one for one in listdir(found) if one.casefold() == name.casefold()]
                except OSError:
                    names = []
                name = (names or [name])[0]
            found = f"{found}/{name}"
        return found

    def leading(call):
        return lambda path, *rest, **options: call(led(path), *rest, **options)

    for name in ("open", "stat", "lstat", "mkdir", "access", "chmod", "unlink", "listdir"):
        monkeypatch.setattr(os, name, leading(getattr(os, name)))


@pytest.fixture
def store(place):
    return FolderStore.init(f"{place}/.aivcs", settings=Settings(durability="none"))


class TestReleases:
    @pytest.mark.parametrize(
        ("name", "other", "told"),
        [
            ("Bot", "bot", ("'bot'", "'Bot'")),
            ("team/Bot", "team/bot", ("'team/bot'", "'team/Bot'")),
            ("Team/bot", "team/bot", ("'team/bot'", "'Team/bot'")),
            ("Team/bot", "team/new", ("'team/'", "'Team/'")),
            ("a/Team/bot", "a/TEAM/b/new", ("'a/TEAM/'", "'a/Team/'")),
        ],
    )
    def test_a_name_that_differs_in_case_only_is_refused(self, store, name, other, told):
        store.releases.promote(name, SPEC, BY)
        with pytest.raises(ConflictError, match="in case only") as caught:
            store.releases.promote(other, SPEC, BY)
        assert all(text in str(caught.value) for text in told)
        assert list(store.releases.list_names()) == [name]
        store.releases.promote(name, SPEC, BY)
        assert len(store.releases.history(name)) == 2

    def test_reading_under_it_says_so_too(self, store):
        store.releases.promote("Bot", SPEC, BY)
        for read in (store.releases.current, store.releases.history, store.releases.state):
            with pytest.raises(ConflictError, match="'bot' and 'Bot', which is there, differ"):
                read("bot")

    def test_where_case_counts_a_log_in_the_place_of_another_is_damage(self, tmp_path):
        store = FolderStore.init(f"{tmp_path}/.aivcs", settings=Settings(durability="none"))
        store.releases.promote("Bot", SPEC, BY)
        store.releases.promote("bot", SPEC, BY)
        log = tmp_path / ".aivcs" / "releases" / "bot.jsonl"
        shutil.copy(log.with_name("Bot.jsonl"), log)
        with pytest.raises(IntegrityError):
            store.releases.current("bot")


class TestCheckout:
    @pytest.mark.parametrize(
        "names", [("README.md", "readme.md"), ("Docs/a", "docs/b"), ("\u00c4.md", "a\u0308.md")]
    )
    def test_of_paths_that_differ_in_case_only_is_refused(self, aivcs, place, names):
        for name in names:
            path = aivcs.folder / "agent" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        spec = aivcs.ok("spec", "create", "--prompts", "agent").text
        repo = Repository.open(aivcs.store)
        with pytest.raises(ConflictError, match="differ in case only") as caught:
            checkout(repo, spec, f"{place}/out")
        first = names[0].partition("/")[0]
        assert ascii(first)[1:-1] in str(caught.value)
        assert not os.path.exists(f"{place}/out")
        aivcs.ok("spec", "checkout", spec, "elsewhere")  # where case counts
