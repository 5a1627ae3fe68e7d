"""What is never taken for absent: policies that cannot be read, and specs that are not whole."""

import os

import pytest

from aivcs import aio
from aivcs.api import Repository
from aivcs.codec.canonical_json import canonical
from aivcs.config import files as config_files
from aivcs.errors import BackendError, IntegrityError, NotFoundError, PolicyError
from aivcs.model.digest import ContentDigest
from aivcs.policy.rules import ALL
from aivcs.specs.check import MAX_PARSED, MEMBERS
from aivcs.specs.manifest import FIELDS, MAX_MANIFEST


def link(target):
    return lambda path: path.symlink_to(target)


def loop(path):
    path.symlink_to(path.name)


def dangling_folder(path):
    path.parent.rmdir()
    path.parent.symlink_to("nowhere")


UNREADABLE = {
    "a link to nothing": link("nowhere"),
    "a loop of links": loop,
    "a folder": lambda path: path.mkdir(),
    "a link to nothing for its folder": dangling_folder,
}


@pytest.fixture
def live(aivcs):
    """Two specs, of which both were released, so that there is something to roll back to."""
    specs = [aivcs.put(content) for content in (b"one", b"two")]
    for spec in specs:
        aivcs.ok("release", "promote", "bot", spec)
    return specs


class TestAPolicyThatCannotBeRead:
    @pytest.mark.parametrize("break_it", UNREADABLE.values(), ids=UNREADABLE)
    def test_of_the_system_refuses_every_release(self, aivcs, live, unchanged, tmp_path, break_it):
        folder = tmp_path / "etc" / "aivcs"
        folder.mkdir(parents=True)
        break_it(folder / "config.toml")
        env = {"XDG_CONFIG_DIRS": str(tmp_path / "etc")}
        with unchanged:
            for command in (("promote", "bot", live[0]), ("rollback", "bot")):
                done = aivcs("release", *command, env=env, code=16)
                assert f"cannot read {folder}/config.toml" in done.complaint

    def test_of_the_store_refuses_every_release(self, aivcs, live):
        (aivcs.store / "config.toml").symlink_to("nowhere")
        for command in (("promote", "bot", live[0]), ("rollback", "bot")):
            assert "symbolic link" in aivcs("release", *command, code=16).complaint

    def test_refuses_releases_by_python_too(self, tmp_path, monkeypatch):
        repo = Repository.init(tmp_path)
        spec = repo.blobs.put(b"spec")
        (tmp_path / "etc" / "aivcs").mkdir(parents=True)
        (tmp_path / "etc" / "aivcs" / "config.toml").symlink_to("nowhere")
        monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
        with pytest.raises(BackendError, match="cannot read"):
            repo.promote("bot", spec, by="ada")
        assert repo.releases.current("bot") is None

    def test_is_absent_only_if_that_is_certain(self, tmp_path, monkeypatch):
        path = str(tmp_path / "a" / "b" / "config.toml")
        assert config_files.is_absent(path)
        (tmp_path / "a").write_text("a file where a folder would be")
        assert config_files.is_absent(path)
        (tmp_path / "a").unlink()
        (tmp_path / "real" / "b").mkdir(parents=True)
        (tmp_path / "a").symlink_to("real")
        assert config_files.is_absent(path)
        (tmp_path / "real" / "b" / "config.toml").touch()
        assert not config_files.is_absent(path)

        def closed(path):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "lstat", closed)
        assert not config_files.is_absent(path)
        assert config_files.is_absent(path, or_unreachable=True)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
    def test_in_a_closed_folder_refuses_every_release(self, aivcs, live, tmp_path):
        folder = tmp_path / "etc" / "aivcs"
        folder.mkdir(parents=True)
        folder.chmod(0)
        env = {"XDG_CONFIG_DIRS": str(tmp_path / "etc")}
        aivcs("release", "promote", "bot", live[0], env=env, code=16)


def damage(aivcs, digest):
    path = aivcs.store / "objects" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(b"something else")


def remove(aivcs, digest):
    (aivcs.store / "objects" / digest[:2] / digest[2:]).unlink()


BREAK = pytest.mark.parametrize(
    ("break_it", "code"), [(remove, 12), (damage, 14)], ids=["missing", "damaged"]
)


class TestASpecThatIsNotWhole:
    @BREAK
    def test_is_not_returned_to(self, aivcs, live, unchanged, break_it, code):
        break_it(aivcs, live[0])
        with unchanged:
            for options in ((), ("--dry-run",), ("--to", "@1")):
                done = aivcs("release", "rollback", "bot", *options, code=code)
                assert "--allow-missing-spec" in done.complaint
        aivcs.ok("release", "rollback", "bot", "--dry-run", "--allow-missing-spec")
        done = aivcs.ok("release", "rollback", "bot", "--allow-missing-spec")
        assert done.text == live[0]

    @pytest.mark.parametrize("which", ["the spec", "a part", "a file of a part"])
    @BREAK
    def test_neither_runs_nor_goes_live(self, aivcs, unchanged, break_it, code, which):
        file, prompts = aivcs.put(b"You are careful."), aivcs.put(b"prompts")
        entry = {"digest": file, "mode": "644", "path": "a.md"}
        tools = aivcs.put(canonical({"files": [entry], "format": 1, "type": "folder"}))
        spec = aivcs.put(canonical({"prompts_digest": prompts, "tools_digest": tools}))
        aivcs.ok("release", "promote", "bot", spec)
        broken = {"the spec": spec, "a part": prompts, "a file of a part": file}[which]
        break_it(aivcs, broken)
        commands = (
            ("release", "promote", "bot", spec),
            ("release", "promote", "bot", spec, "--dry-run"),
            ("run", "start", "--agent", "bot", "--spec", spec),
        )
        with unchanged:
            for command in commands:
                done = aivcs(*command, code=code)
                assert "--allow-missing-spec" in done.complaint
                assert broken[:12] in done.complaint
        for command in commands:
            aivcs.ok(*command, "--allow-missing-spec")

    def test_is_any_blob_whose_members_are_only_a_specs(self, aivcs):
        gone = "ab" * 32
        for content in (
            b"\xff",
            b'{"prompts_digest": "x"}',
            b'["' + gone.encode() + b'"]',
            b'{"prompts_digest":"%s","more":1}' % gone.encode(),
        ):
            aivcs.ok("release", "promote", "bot", aivcs.put(content))

    def test_is_known_by_the_members_that_specs_have(self):
        assert set(FIELDS) == MEMBERS
        assert MAX_PARSED == MAX_MANIFEST


class TestPython:
    @pytest.fixture
    def repo(self, aivcs, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        return Repository.open(aivcs.store)

    def test_releases_as_the_command_does(self, aivcs, repo):
        for rule, value in (("require_runs", "1"), ("require_label", "semver")):
            aivcs.ok("config", "set", f"policy.bot.{rule}", value)
        first, second = aivcs.put(b"one"), aivcs.put(b"two")
        run = aivcs.begin(content=b"one")
        aivcs.ok("run", "finish", run, "--exit-code", "0")
        with pytest.raises(PolicyError) as caught:
            repo.promote("bot", first, by="ada", label="v1")
        assert [verdict.rule for verdict in caught.value.verdicts if not verdict.ok] == [
            "require_runs", "require_label",
        ]  # fmt: skip
        made = repo.promote(
            "bot", first[:8], by="ada", label="1.0.0", evidence=[run[:8]], expect="none"
        )
        assert (made.spec_digest, made.evidence[0].run_id, made.forced) == (first, run, False)
        forced = repo.promote("bot", second, by="ada", notes="hotfix", force=True)
        assert (forced.forced, forced.policy) == (True, made.policy)
        assert repo.rollback("bot", by="ada", to=1, expect=2).spec_digest == first
        told = aivcs.ok("release", "history", "bot", "--json").json_lines
        assert [entry["action"] for entry in told] == ["rollback", "promote", "promote"]

    def test_signs_as_the_command_does(self, repo, keys):
        spec = repo.blobs.put(b"spec")
        made = repo.promote("bot", spec, by="ada", signing_key=str(keys("ada")))
        newest, entry = repo.releases.iter_log("bot")
        assert (newest.value.signed_hash, entry.value) == (entry.hash, made)

    def test_blocks_what_it_leaves(self, repo):
        for content in (b"one", b"two"):
            repo.promote("bot", repo.blobs.put(content), by="ada")
        repo.rollback("bot", by="ada", reason="loops", block=True)
        assert [block.reason for block in repo.releases.blocks("bot")] == ["loops"]

    def test_refuses_a_spec_that_is_not_whole(self, aivcs, repo):
        part, file = aivcs.put(b"prompts"), aivcs.put(b"spec")
        spec = aivcs.put(canonical({"prompts_digest": part}))
        remove(aivcs, part)
        with pytest.raises(NotFoundError, match="prompts"):
            repo.start_run(spec, agent_name="bot")
        repo.start_run(spec, agent_name="bot", allow_missing_spec=True).complete()
        damage(aivcs, file)
        with pytest.raises(IntegrityError):
            repo.promote("bot", file, by="ada")
        assert repo.promote("bot", file, by="ada", allow_missing_spec=True).seq == 1

    def test_releases_from_async_code(self, aivcs, repo):
        import asyncio

        async def release():
            twin = await aio.Repository.open(aivcs.store)
            for content in (b"one", b"two"):
                await twin.promote("bot", await twin.blobs.put(content), by="ada")
            return await twin.rollback("bot", by="ada")

        assert asyncio.run(release()).spec_digest == ContentDigest.from_bytes(b"one")


def test_no_rule_is_named_outside_its_own_file():
    import aivcs

    names = {rule.name for rule in ALL}
    found = {}
    root = os.path.dirname(aivcs.__file__)
    for folder, _, files in os.walk(root):
        if folder.endswith(("policy/rules", "aivcs/testing", "aivcs/testing/runs", "__pycache__")):
            continue
        for file in files:
            if file.endswith(".py") and file != "_table.py":
                with open(f"{folder}/{file}", encoding="utf-8") as source:
                    text = source.read()
                named = {name for name in names if f'"{name}"' in text}
                if named:
                    found[file] = named
    assert found == {}
