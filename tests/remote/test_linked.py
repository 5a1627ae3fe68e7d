"""A file `.aivcs` that names a store elsewhere, and who has to trust that store."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def link(remote):
    """The link file of the working directory."""
    remote("init", "--link", remote.url)
    return remote.folder / ".aivcs"


def id_of(remote):
    return remote("trust", remote.url).text


class TestInit:
    def test_init_of_a_url_makes_the_store_there_and_nothing_here(self, remote):
        assert remote("init", remote.url).text == remote.url  # again, harmless
        assert list(remote.folder.iterdir()) == []
        assert remote("--store", remote.url, "blob", "ls").text == ""

    def test_link_writes_a_line_of_toml_prints_the_file_and_trusts_the_store(self, remote):
        done = remote("init", "--link", remote.url, "sub")
        path = remote.folder / "sub/.aivcs"
        assert done.text == str(path)
        assert path.read_text() == f'store = "{remote.url}"\n'
        config = (remote.home / ".config/aivcs/config.toml").read_text().splitlines()
        assert config[0] == "[trust]"
        assert config[1].startswith(f'"{remote.url}" = "')

    def test_link_again_is_harmless_and_another_store_is_refused(self, remote, link):
        before = link.read_text()
        remote("init", "--link", remote.url)
        other = f"away://server{remote.place}.2"
        remote("init", other)
        assert "Remove the file first" in remote("init", "--link", other, code=15).err
        assert link.read_text() == before
        assert other not in remote("trust", "--list").out

    def test_link_to_no_store_or_in_the_place_of_one_changes_nothing(self, remote):
        remote("init", "--link", f"away://server{remote.place}.none", code=10)
        assert list(remote.folder.iterdir()) == []
        remote("init", "real")
        remote("init", "--link", remote.url, "real", code=15)
        assert (remote.folder / "real/.aivcs/format").exists()
        assert remote("trust", "--list").out == ""

    def test_link_needs_no_shared_or_private(self, remote):
        remote("init", "--link", remote.url, "--shared", code=2)

    def test_init_leaves_a_link_file_alone(self, remote, link):
        before = link.read_text()
        assert "may name a store elsewhere" in remote("init", code=16).err
        assert link.read_text() == before


class TestFollowing:
    def test_every_folder_below_uses_the_store(self, remote, link):
        below = remote.folder / "a/b"
        below.mkdir(parents=True)
        digest = remote("blob", "put", "-", stdin="x", cwd=below).text
        assert remote("--store", remote.url, "blob", "ls").text == digest
        assert remote("status", cwd=below).lines[0] == f"store\t{remote.url}"

    def test_the_file_may_be_named_itself(self, remote, link):
        digest = remote("blob", "put", "-", stdin="x").text
        assert remote("--store", link, "blob", "ls", cwd="/").text == digest
        assert remote("blob", "ls", env={"AIVCS_STORE": str(link)}, cwd="/").text == digest

    def test_without_trust_it_is_not_used_and_the_way_out_is_said(self, remote, link):
        remote("trust", "--remove", remote.url)
        remote.go_away()  # nothing is sent there, so nothing is missed
        done = remote("blob", "ls", code=10)
        for said in (str(link), remote.url, f"aivcs trust {remote.url}"):
            assert said in done.err
        assert remote.attempts == 0
        remote.come_back()
        remote("trust", remote.url)
        assert remote("blob", "ls").text == ""

    def test_an_explicit_url_needs_no_trust(self, remote):
        assert remote("--store", remote.url, "blob", "ls").text == ""
        assert remote("trust", "--list").text == ""

    def test_the_machines_file_can_trust(self, remote, link):
        store_id = id_of(remote)
        remote("trust", "--remove", remote.url)
        remote("blob", "ls", code=10)
        remote.machine.write_text(f'[trust]\n"{remote.url}" = "{store_id}"\n')
        remote("blob", "ls")
        assert remote("trust", "--list").text == f"{remote.url}\t{store_id}\t{remote.machine}"

    def test_another_host_or_parameter_is_another_store(self, remote, link):
        for other in (
            remote.url.replace("server", "elsewhere"),
            f"{remote.url}?host=elsewhere",
            remote.url.replace("server", "user@server"),
        ):
            link.write_text(f'store = "{other}"\n')
            assert other in remote("blob", "ls", code=10).err
        link.write_text(f'store = "{remote.url.replace("server", "SERVER")}/"\n')
        remote("blob", "ls")

    def test_another_store_under_the_url_is_a_conflict(self, remote, link):
        old = id_of(remote)
        remote.place.unlink()
        remote("init", remote.url)
        for words in (("blob", "ls"), ("--store", remote.url, "blob", "put", "-")):
            done = remote(*words, code=15)
            assert old in done.err
            assert f"aivcs trust {remote.url}" in done.err
        assert remote("trust", remote.url).text != old
        assert remote("blob", "ls").text == ""

    @pytest.mark.parametrize("text", ["", "junk", "store = 1\n", 'shop = "x"\n', 'store = ""\n'])
    def test_a_file_that_names_no_store_is_none(self, remote, text):
        (remote.folder / ".aivcs").write_text(text)
        assert 'store = "URL or path"' in remote("blob", "ls", code=10).err

    def test_a_store_of_its_own_in_a_folder_below_comes_first(self, remote, link):
        remote("init", "own")
        own = remote.folder / "own"
        assert remote("status", cwd=own).lines[0] == f"store\t{own}/.aivcs"

    def test_a_file_of_another_user_is_refused(self, remote, link):
        if os.geteuid():
            pytest.skip("only root can give a file away")
        os.chown(link, 12345, 12345)
        assert "belongs to another user" in remote("blob", "ls", code=16).err


class TestPaths:
    def test_a_path_in_the_same_work_tree_needs_no_trust(self, remote):
        top = remote.folder / "top"
        (top / ".git").mkdir(parents=True)
        remote("init", "top")
        remote("init", "--link", "top/.aivcs", "top/deep/er")
        path = top / "deep/er/.aivcs"
        assert path.read_text() == 'store = "../../.aivcs"\n'
        assert remote("trust", "--list").text == ""
        assert remote("status", cwd=path.parent).lines[0] == f"store\t{top}/.aivcs"

    def test_a_path_out_of_it_or_an_absolute_one_needs_trust(self, remote):
        remote("init", "other")
        tree = remote.folder / "tree"
        (tree / ".git").mkdir(parents=True)
        store = remote.folder / "other/.aivcs"
        (tree / "way").symlink_to(store.parent)
        for text in ("../other/.aivcs", str(store), "way/.aivcs", f"file://{store}"):
            (tree / ".aivcs").write_text(f'store = "{text}"\n')
            assert "have not trusted" in remote("blob", "ls", cwd=tree, code=10).err, text
        remote("trust", store)
        for text in ("../other/.aivcs", str(store), f"file://{store}"):
            (tree / ".aivcs").write_text(f'store = "{text}"\n')
            remote("blob", "ls", cwd=tree)

    def test_without_a_repository_only_what_is_below_the_file_is_in_its_tree(self, remote):
        remote("init", "a")
        remote("init", "b")
        (remote.folder / "b/x").mkdir()
        (remote.folder / "b/x/.aivcs").write_text('store = "../.aivcs"\n')
        remote("blob", "ls", cwd=remote.folder / "b/x", code=10)
        (remote.folder / ".aivcs").write_text('store = "a/.aivcs"\n')
        remote("blob", "ls")


class TestTrust:
    def test_prints_the_id_and_lists_what_is_trusted(self, remote):
        store_id = id_of(remote)
        assert len(store_id) == 32
        path = remote.home / ".config/aivcs/config.toml"
        assert remote("trust", "--list").text == f"{remote.url}\t{store_id}\t{path}"
        done = remote("trust", "--list", "--json")
        assert done.text == (
            f'{{"store":"{remote.url}","store_id":"{store_id}","origin":"{path}"}}'
        )

    def test_with_an_id_the_store_is_not_asked(self, remote):
        remote.go_away()
        wanted = "0123456789abcdef" * 2
        assert remote("trust", remote.url, "--id", wanted).text == wanted
        remote.come_back()
        (remote.folder / ".aivcs").write_text(f'store = "{remote.url}"\n')
        assert wanted in remote("blob", "ls", code=15).err

    def test_keeps_the_comments_and_settings_of_the_file(self, remote):
        path = remote.configure('# mine\n[core]\nlock_timeout = 5 # s\n[trust]\n"s3://b" = "')
        with path.open("a") as file:
            file.write("0" * 32 + '" # theirs\n')
        store_id = id_of(remote)
        remote("trust", "--remove", "s3://b")
        assert path.read_text() == (
            f'# mine\n[core]\nlock_timeout = 5 # s\n[trust]\n"{remote.url}" = "{store_id}"\n'
        )

    @pytest.mark.parametrize(
        "words",
        [
            (), ("",), ("--list", "s3://b"), ("--remove", "s3://b"), ("s3://b", "--id", "xyz"),
            ("--list", "--remove"),
        ],
        ids=str,
    )  # fmt: skip
    def test_refuses_what_makes_no_sense(self, remote, words):
        assert remote("trust", *words, code=2).err.startswith("aivcs: ")

    def test_a_store_cannot_trust_and_the_machine_alone_requires(self, remote):
        table = f'[trust]\n"{remote.url}" = "{"0" * 32}"\n'
        remote("init")
        config = remote.folder / ".aivcs/config.toml"
        config.write_text(table)
        assert "aivcs trust URL" in remote("blob", "ls", code=2).err
        config.write_text(f'[require_store]\n"*" = "{"0" * 32}"\n')
        assert "system's configuration" in remote("blob", "ls", code=2).err
        config.unlink()
        remote.configure(f'[require_store]\n"*" = "{"0" * 32}"\n')
        assert "system's configuration" in remote("blob", "ls", code=2).err


class TestPasswords:
    SECRET = "hunter2"

    @pytest.mark.parametrize(
        "words", [("init", "--link"), ("trust",), ("trust", "--id", "0" * 32)], ids=str
    )
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://me:hunter2@db/x",
            "postgresql://me:hun/ter2hunter2@db/x",
            "postgresql://db/x?user=me&password=hunter2",
            "s3://KEY:hunter2@bucket/x",
        ],
    )
    def test_are_refused_where_they_would_be_kept(self, remote, words, url):
        done = remote(*words, url, code=2)
        assert self.SECRET not in done.err
        assert "***" in done.err
        assert list(remote.folder.iterdir()) == []
        assert not (remote.home / ".config").exists()

    def test_a_link_file_that_has_one_is_refused(self, remote):
        url = remote.url.replace("server", "me:hunter2@server")
        (remote.folder / ".aivcs").write_text(f'store = "{url}"\n')
        done = remote("blob", "ls", code=2)
        assert self.SECRET not in done.err

    def test_are_masked_wherever_the_store_is_named(self, remote):
        url = remote.url.replace("server", "me:hunter2@server")
        env = {"AIVCS_STORE": url}
        masked = url.replace("hunter2", "***")
        assert remote("status", env=env).lines[0] == f"store\t{masked}"
        assert masked in remote("init", env=env).out
        said = [
            remote("run", "show", "0000-1111", env=env, code=12),
            remote("release", "current", "none", env=env, code=12),
            remote("config", "list", "--show-origin", env=env),
            remote("blob", "ls", env={"AIVCS_STORE": "s3://a:hunter2@b/c"}, code=2),
            remote("status", env={"AIVCS_STORE": f"{url}.none"}, code=10),
            remote("status", "--json", env=env),
        ]
        remote.go_away()
        remote.configure("[remote]\ntimeout = 0\n")
        said += [remote("status", *as_json, env=env, code=75) for as_json in ([], ["--json"])]
        for done in said:
            assert self.SECRET not in done.out + done.err, done

    def test_no_file_of_a_ci_system_gets_one(self, remote):
        url = remote.url.replace("server", "me:hunter2@server")
        env = {"AIVCS_STORE": url, "GITHUB_ENV": str(remote.folder / "env")}
        spec = remote("blob", "put", "-", env=env, stdin="x").text
        words = ("run", "start", "--agent", "a", "--spec", spec)
        done = remote(*words, "--github-env", env=env, code=2)
        assert self.SECRET not in done.err
        assert remote("run", "list", env=env).text == ""
        assert Path(env["GITHUB_ENV"]).read_text() == ""
        # The command gets it in its environment, where it came from.
        done = remote("run", "exec", "--agent", "a", "--spec", spec, "--", "printenv", env=env)
        assert f"AIVCS_STORE={url}\n" in done.out
        run = remote("run", "list", env=env).text.split("\t")[0]
        assert self.SECRET not in remote("run", "events", run, env=env).out


class TestRemotes:
    """What a store's configuration names is somebody else's word, too."""

    @pytest.fixture
    def other(self, remote):
        remote("init")
        remote("remote", "add", "origin", remote.url)
        return remote.url

    def test_add_trusts_by_the_hand_that_types_it(self, remote, other):
        assert remote("trust", "--list").out.startswith(f"{other}\t")
        remote("push")
        remote("pull")

    def test_without_trust_nothing_is_sent_there(self, remote, other):
        remote("config", "set", "release.home.prod/*", "origin")
        digest = remote("blob", "put", "-", stdin="x").text
        remote("trust", "--remove", other)
        remote.go_away()
        config = remote.folder / ".aivcs/config.toml"
        for words in (
            ("push",), ("pull",), ("push", "origin", "--dry-run"),
            ("release", "promote", "prod/bot", digest, "--by", "me"),
        ):  # fmt: skip
            done = remote(*words, code=10)
            for said in (str(config), other, f"aivcs trust {other}"):
                assert said in done.err, words
        assert remote.attempts == 0

    def test_another_store_under_its_url_is_a_conflict(self, remote, other):
        remote.place.unlink()
        remote("init", other)
        assert "another store" in remote("push", code=15).err

    def test_one_that_is_away_is_75_and_no_failure_of_each_run(self, remote, other):
        remote.configure("[remote]\ntimeout = 0\n")
        spec = remote("blob", "put", "-", stdin="x").text
        for _ in range(3):
            remote("run", "start", "--agent", "a", "--spec", spec)
        after, codes = 0, set()
        while True:
            remote.come_back()
            remote.go_away(after)
            done = remote("push", code=None)
            codes.add(done.code)
            if not done.code:
                break
            assert done.err.count("cannot reach") == 1, done
            after += 1
        assert codes == {75, 0}
        assert after > 5
        remote.come_back()
        assert len(remote.at("run", "list").lines) == 3
        remote.at("verify")

    def test_passwords_are_refused(self, remote, other):
        url = other.replace("server", "me:hunter2@server")
        for words in (("remote", "add", "o", url), ("push", url), ("clone", url, "c")):
            done = remote(*words, code=2)
            assert "hunter2" not in done.out + done.err
        assert not (remote.folder / "c").exists()
