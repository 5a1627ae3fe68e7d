"""`aivcs spec`: what an agent is made of, stored, shown, given back and compared."""

import json
import os
import shutil
import subprocess

import pytest

FIELDS = ["git_sha", "graph_digest", "prompts_digest", "tools_digest", "config_digest"]


@pytest.fixture
def agent(outside):
    """The parts of an agent: a folder of prompts and three files."""
    folder = outside.folder / "agent"
    (folder / "prompts" / "roles").mkdir(parents=True)
    (folder / "prompts" / "system.md").write_text("You are careful.\nYou test.\n")
    (folder / "prompts" / "roles" / "größe.md").write_text("Be brief.\n")
    script = folder / "prompts" / "render.sh"
    script.write_text("#!/bin/sh\ncat system.md\n")
    script.chmod(0o755)
    (folder / "tools.json").write_text('["search", "edit"]\n')
    (folder / "config.json").write_text('{"model": "small", "temperature": 0}\n')
    (folder / "graph.json").write_text('{"nodes": []}\n')
    return folder


def parts(agent, *left_out):
    paths = {"prompts": "prompts", "tools": "tools.json"}
    paths |= {"config": "config.json", "graph": "graph.json"}
    named = [
        word
        for part, path in paths.items()
        if part not in left_out
        for word in (f"--{part}", str(agent / path))
    ]
    return [*named, "--root", str(agent)]


@pytest.fixture
def spec(aivcs, agent):
    """The digest of the agent."""
    return aivcs.ok("spec", "create", *parts(agent), "--git-sha", "abc123def456").text


def manifest(*paths, digest, kind="folder"):
    files = [{"digest": digest, "mode": "644", "path": path} for path in paths]
    value = {"files": files, "format": 1, "type": kind}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def stored(aivcs, **parts):
    """The digest of a spec that is put together by hand: each part a content, or some by path."""
    fields = {}
    for part, content in parts.items():
        if isinstance(content, dict):
            files = {path: aivcs.put(data) for path, data in content.items()}
            entries = [
                {"digest": digest, "mode": "644", "path": path} for path, digest in files.items()
            ]
            value = {"files": entries, "format": 1, "type": "folder"}
            content = json.dumps(value, separators=(",", ":")).encode()
        fields[f"{part}_digest"] = aivcs.put(content)
    return aivcs.put(json.dumps(fields, separators=(",", ":"), sort_keys=True).encode())


def sorted_by_jq(value):
    """A value without numbers in its canonical form, as jq has it."""
    done = subprocess.run(
        ["jq", "-cSj", "."], input=json.dumps(value).encode(), capture_output=True, check=True
    )
    return done.stdout


def tree(folder):
    """The files below a folder: path, whether it is executable, bytes."""
    return {
        str(path.relative_to(folder)): (bool(path.stat().st_mode & 0o100), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq")
def test_a_spec_is_what_jq_makes_of_the_digests(aivcs, agent, spec, files):
    def tree(*paths):
        entries = [
            {
                "digest": files.sha256((agent / path).read_bytes()),
                "mode": "755" if path.endswith(".sh") else "644",
                "path": path,
            }
            for path in paths
        ]
        return files.sha256(sorted_by_jq({"type": "tree", "format": 1, "files": entries}))

    prompts = ["prompts/render.sh", "prompts/roles/größe.md", "prompts/system.md"]
    trees = [tree("graph.json"), tree(*prompts), tree("tools.json"), tree("config.json")]
    made = sorted_by_jq(dict(zip(FIELDS, ["abc123def456", *trees], strict=True)))
    assert spec == files.sha256(made)
    assert aivcs.ok("blob", "get", spec).out == made


def test_the_same_parts_give_the_same_spec_from_anywhere(aivcs, agent, spec, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(agent, copy)
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
    (copy / "prompts" / "empty").mkdir()
    again = aivcs.ok("spec", "create", *parts(copy), "--git-sha", "abc123def456", "--json").json
    assert again["spec_digest"] == spec
    assert list(again) == ["spec_digest", *FIELDS]


def test_names_are_utf8_in_every_locale(aivcs, agent, spec, latin1):
    words = [*parts(agent), "--git-sha", "abc123def456"]
    assert aivcs.ok("spec", "create", *words, env=latin1).text == spec
    aivcs.ok("spec", "checkout", spec, "out", env=latin1)
    assert tree(aivcs.folder / "out") == tree(agent)


def test_the_commit_goes_in_when_it_is_asked_for(aivcs, agent):
    sha = "9fceb02d0ae598e95dc970b74767f19372d61af8"
    ci = {"GITHUB_SHA": sha}
    made = aivcs.ok("spec", "create", *parts(agent), "--json", env=ci).json
    assert list(made) == ["spec_digest", *FIELDS[1:]]
    words = ["spec", "create", *parts(agent), "--git-sha", "HEAD", "--json"]
    assert aivcs.ok(*words, env=ci).json["git_sha"] == sha
    assert "no commit" in aivcs(*words[:-1], code=2).complaint


def test_parts_may_be_missing_unless_all_are_asked_for(aivcs, agent, unchanged):
    with unchanged:
        words = ["spec", "create", *parts(agent, "tools"), "--complete"]
        assert "missing: tools" in aivcs(*words, code=2).complaint
        assert "--complete" in aivcs(*words, "--partial", code=2).complaint
        assert "--auto" in aivcs("spec", "create", code=2).complaint
        for option in ("--prompts", "--git-sha", "--root"):
            words = [*parts(agent)[:-2], option, ""]
            done = aivcs("spec", "create", *words, code=2)
            assert "empty" in done.complaint
    made = aivcs.ok("spec", "create", *parts(agent, "tools"), "--json").json
    assert list(made) == ["spec_digest", "graph_digest", "prompts_digest", "config_digest"]
    aivcs.ok("spec", "create", *parts(agent), "--complete")


@pytest.mark.parametrize(
    "what", ["outward", "dangling", "loop", "endless", "pipe", "name", "git", "absent", "device"]
)
def test_what_cannot_be_kept_is_refused_before_anything_is_stored(aivcs, agent, unchanged, what):
    words = parts(agent)
    bad = os.fsencode(agent / "prompts" / "zz")
    if what == "outward":
        os.symlink("../../other", bad)
        (aivcs.folder / "other").write_text("of somebody else")
    elif what == "dangling":
        os.symlink("nothing", bad)
    elif what == "loop":
        os.symlink("zz", bad)
    elif what == "endless":
        os.symlink("../prompts", bad)
    elif what == "pipe":
        os.mkfifo(bad)
    elif what == "name":
        with open(bad + b"\xe9", "wb"):
            pass
    elif what == "git":
        (agent / "prompts" / "lib" / ".git").mkdir(parents=True)
    elif what == "absent":
        (agent / "graph.json").unlink()
    else:
        words += ["--config", "/dev/null"]
    with unchanged:
        done = aivcs("spec", "create", *words, code=2)
        assert {"outward": "out of the root", "endless": "never ends"}.get(
            what, ""
        ) in done.complaint


def test_a_store_is_no_part_and_neither_is_what_is_in_it(aivcs):
    named = aivcs.folder / "named" / "store"
    named.parent.mkdir()
    os.rename(aivcs.store, named)
    (named.parent / "tools").mkdir()
    (named.parent / "tools" / "search.py").write_text("pass\n")
    for folder in (named, named / "objects"):
        done = aivcs("--store", named, "spec", "create", "--tools", folder, code=2)
        assert "in the store" in done.complaint
        assert os.listdir(named / "objects") == []
    spec = aivcs.ok("--store", named, "spec", "create", "--tools", named.parent).text
    shown = aivcs.ok("--store", named, "spec", "show", spec, "--json").json
    assert [file["path"] for file in shown["parts"]["tools"]["files"]] == ["named/tools/search.py"]


def test_show_tells_every_file(aivcs, agent, spec, files):
    lines = aivcs.ok("spec", "show", spec[:8]).lines
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines}
    assert rows["spec"] == ["spec", "-", spec]
    assert rows["git_sha"] == ["commit", "-", "abc123def456"]
    assert rows["prompts"][:2] == ["tree", str(27 + 10 + 24)]
    assert rows["prompts/render.sh"][:2] == ["755", "24"]
    content = (agent / "config.json").read_bytes()
    assert rows["config.json"] == ["644", str(len(content)), files.sha256(content)]
    shown = aivcs.ok("spec", "show", spec, "--json").json
    assert shown["git_sha"] == "abc123def456"
    assert shown["parts"]["tools"]["kind"] == "tree"
    assert [file["path"] for file in shown["parts"]["prompts"]["files"]] == [
        "prompts/render.sh", "prompts/roles/größe.md", "prompts/system.md",
    ]  # fmt: skip


def test_what_is_not_there_any_more_is_said_to_be_missing(aivcs, spec):
    shown = aivcs.ok("spec", "show", spec, "--json").json
    aivcs.ok("blob", "rm", "--force", shown["config_digest"])
    aivcs.ok("blob", "rm", "--force", shown["parts"]["prompts"]["files"][0]["digest"])
    rows = dict(line.split("\t")[:2] for line in aivcs.ok("spec", "show", spec).lines)
    assert (rows["config"], rows["prompts/render.sh"]) == ("missing", "missing")
    done = aivcs("spec", "checkout", spec, "out", code=12)
    assert shown["config_digest"] in done.complaint or "render.sh" in done.complaint
    assert not (aivcs.folder / "out").exists()


def test_any_blob_can_be_released_but_only_a_spec_be_shown(aivcs):
    digest = aivcs.put(b"a prompt\n")
    aivcs.ok("release", "promote", "bot", digest)
    assert "not a spec" in aivcs("spec", "show", "bot@current", code=2).complaint
    assert "not a spec" in aivcs("spec", "checkout", "bot@current", "out", code=2).complaint


def test_checkout_puts_the_files_back_where_they_were(aivcs, agent, spec):
    done = aivcs.ok("spec", "checkout", spec, "out/there")
    assert sorted(done.lines) == sorted(f"out/there/{path}" for path in tree(agent))
    out = aivcs.folder / "out" / "there"
    assert tree(out) == tree(agent)
    assert aivcs.ok("spec", "create", *parts(out), "--git-sha", "abc123def456").text == spec


def test_checkout_leaves_alone_what_is_there(aivcs, agent, spec, files):
    aivcs.ok("spec", "checkout", spec, "out")
    out = aivcs.folder / "out"
    (out / "prompts" / "mine.md").write_text("notes\n")
    (out / "tools.json").unlink()
    before = (out / "prompts" / "system.md").stat().st_ino
    aivcs.ok("spec", "checkout", spec, "out")
    assert (out / "prompts" / "system.md").stat().st_ino == before
    (out / "config.json").write_text("mine\n")
    (out / "prompts" / "render.sh").chmod(0o644)
    held = files.snapshot(out)
    assert "--force" in aivcs("spec", "checkout", spec, "out", code=15).complaint
    assert files.snapshot(out) == held
    aivcs.ok("spec", "checkout", "--force", spec, "out")
    assert tree(out) == {**tree(agent), "prompts/mine.md": (False, b"notes\n")}


@pytest.mark.parametrize("kind", ["file in the way", "folder in the way", "link out", "alias"])
def test_checkout_never_writes_elsewhere_and_never_over_a_folder(aivcs, agent, spec, files, kind):
    out, outer = aivcs.folder / "out", aivcs.folder / "outer"
    outer.mkdir()
    out.mkdir()
    if kind == "file in the way":
        (out / "prompts").write_text("mine")
    elif kind == "folder in the way":
        (out / "config.json").mkdir()
    elif kind == "link out":
        (out / "prompts").symlink_to(outer)
    else:
        (out / "prompts").mkdir()
        (out / "prompts" / "roles").symlink_to(".")
        (agent / "prompts" / "roles" / "system.md").write_text("another")
        spec = aivcs.ok("spec", "create", *parts(agent)).text
    held = files.snapshot(aivcs.folder)
    aivcs("spec", "checkout", "--force", spec, "out", code=15)
    assert files.snapshot(aivcs.folder) == held


def test_checkout_replaces_a_link_and_not_what_it_leads_to(aivcs, agent, spec):
    (aivcs.folder / "mine.json").write_text("mine")
    (aivcs.folder / "out").mkdir()
    (aivcs.folder / "out" / "config.json").symlink_to(aivcs.folder / "mine.json")
    aivcs("spec", "checkout", spec, "out", code=15)
    aivcs.ok("spec", "checkout", "--force", spec, "out")
    assert (aivcs.folder / "mine.json").read_text() == "mine"
    assert tree(aivcs.folder / "out") == tree(agent)


class TestSpecsOfOlderStores:
    """Their parts are a file, or a folder, each under the part's own name."""

    @pytest.fixture
    def old(self, aivcs):
        return stored(
            aivcs, prompts={"a.md": b"A\n", "b/c.md": b"C\n"}, config=b'{"model": "small"}\n'
        )

    def test_are_shown_checked_out_and_compared(self, aivcs, old):
        rows = [line.split("\t")[:3] for line in aivcs.ok("spec", "show", old).lines]
        assert rows[1:] == [
            ["prompts", "folder", "4"], ["prompts/a.md", "644", "2"],
            ["prompts/b/c.md", "644", "2"], ["config", "file", "19"],
        ]  # fmt: skip
        shown = aivcs.ok("spec", "show", old, "--json").json
        assert shown["parts"]["config"] == {"kind": "file", "size": 19}
        assert aivcs.ok("spec", "checkout", old, "out").lines == ["out/prompts", "out/config"]
        assert tree(aivcs.folder / "out") == {
            "prompts/a.md": (False, b"A\n"), "prompts/b/c.md": (False, b"C\n"),
            "config": (False, b'{"model": "small"}\n'),
        }  # fmt: skip
        changed = stored(aivcs, prompts={"a.md": b"B\n"}, config=b'{"model": "large"}\n')
        found = aivcs.ok("spec", "diff", old, changed, "--json").json["files"]
        assert [(file["part"], file["path"], file["kind"]) for file in found] == [
            ("config", "config", "changed"), ("prompts", "prompts/a.md", "changed"),
            ("prompts", "prompts/b/c.md", "removed"),
        ]  # fmt: skip

    def test_replace_a_whole_part_by_force(self, aivcs, old):
        out = aivcs.folder / "out"
        (out / "prompts").mkdir(parents=True)
        (out / "prompts" / "mine.md").write_text("notes\n")
        aivcs("spec", "checkout", old, "out", code=15)
        aivcs.ok("spec", "checkout", "--force", old, "out")
        assert not (out / "prompts" / "mine.md").exists()
        aivcs.ok("spec", "checkout", old, "out")


@pytest.mark.parametrize(
    "paths",
    [["../x"], ["/tmp/x"], ["a", "a"], ["a", "a/b"], ["x" * 300], [".git/hooks/x"], ["a\\u0000b"]],
)
@pytest.mark.parametrize("kind", ["folder", "tree"])
def test_a_hostile_manifest_is_refused_before_anything_is_written(aivcs, spec, kind, paths):
    good = aivcs.put(b"good\n")
    data = manifest(*paths, digest=good, kind=kind).replace(b"\\\\u0000", b"\\u0000")
    fields = aivcs.ok("spec", "show", spec, "--json").json
    fields = {name: fields[name] for name in FIELDS} | {"prompts_digest": aivcs.put(data)}
    hostile = aivcs.put(json.dumps(fields, separators=(",", ":"), sort_keys=True).encode())
    before = sorted(aivcs.folder.parent.rglob("*"))
    aivcs("spec", "checkout", hostile, "out", code=2)
    assert sorted(aivcs.folder.parent.rglob("*")) == before


def test_checkout_of_a_damaged_part_leaves_everything_as_it_was(aivcs, spec):
    fields = aivcs.ok("spec", "show", spec, "--json").json
    path = aivcs.object(fields["parts"]["config"]["files"][0]["digest"])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"small", b"large"))
    aivcs("spec", "checkout", spec, "out", code=14)
    assert not (aivcs.folder / "out").exists()
    (aivcs.folder / "out").mkdir()
    aivcs("spec", "checkout", spec, "out", code=14)
    assert list((aivcs.folder / "out").iterdir()) == []


@pytest.mark.parametrize("folder", ["", "config.json", "config.json/x", "/proc/x"])
def test_checkout_to_where_nothing_can_be_written_is_refused(aivcs, agent, spec, folder):
    assert aivcs("spec", "checkout", spec, folder, cwd=agent).code in {2, 16}


@pytest.fixture
def changed(aivcs, agent, spec):
    """The digest of the agent after some changes."""
    (agent / "prompts" / "system.md").write_text("You are careful.\nYou test first.\n")
    (agent / "prompts" / "render.sh").chmod(0o644)
    (agent / "prompts" / "roles" / "größe.md").unlink()
    (agent / "prompts" / "new.md").write_text("Hello\x1b[31m\n")
    (agent / "config.json").write_text('{"temperature": 0, "model": "large", "a/b": [1]}\n')
    (agent / "tools.json").write_bytes(b"\0\1")
    return aivcs.ok("spec", "create", *parts(agent), "--git-sha", "abc123def456").text


def test_diff_shows_each_part_in_its_own_way(aivcs, spec, changed):
    lines = aivcs.ok("spec", "diff", spec, changed).lines
    assert [line.split("\t")[0] for line in lines[:3]] == [
        "prompts_digest", "tools_digest", "config_digest",
    ]  # fmt: skip
    text = "\n".join(lines[3:])
    assert '@@ /model @@\n-"small"\n+"large"\n@@ /a~1b @@\n+[1]' in text
    assert "-You test.\n+You test first." in text
    assert "--- a/prompts/roles/größe.md\n+++ /dev/null" in text
    assert "--- /dev/null\n+++ b/prompts/new.md\n@@ -0,0 +1,1 @@\n+Hello\\x1b[31m" in text
    assert "old mode 755 a/prompts/render.sh\nnew mode 644 b/prompts/render.sh" in text
    assert "Binary files a/tools.json and b/tools.json differ" in text


def test_diff_in_json_names_places_by_pointers(aivcs, spec, changed):
    found = aivcs.ok("spec", "diff", spec, changed, "--json").json
    assert (found["a"], found["b"], found["equal"]) == (spec, changed, False)
    by_path = {file["path"]: file for file in found["files"]}
    assert by_path["config.json"]["changes"] == [
        {"op": "replace", "path": "/model", "a": "small", "b": "large"},
        {"op": "add", "path": "/a~1b", "b": [1]},
    ]
    assert by_path["prompts/new.md"]["diff"].endswith("+Hello\x1b[31m\n")
    assert {path: (file["kind"], file["form"]) for path, file in by_path.items()} == {
        "config.json": ("changed", "json"),
        "prompts/new.md": ("added", "text"),
        "prompts/render.sh": ("changed", "same"),
        "prompts/roles/größe.md": ("removed", "text"),
        "prompts/system.md": ("changed", "text"),
        "tools.json": ("changed", "binary"),
    }


def test_what_is_too_long_or_is_json_no_more_is_still_told_apart(aivcs):
    texts = ["1\n" * 100_001, "2\n" * 100_001, '{"a": 1}', '{"a": 1', '{"a":1}', "[1]"]
    long_a, long_b, whole, broken, compact, array = (aivcs.put(text.encode()) for text in texts)
    assert aivcs.ok("spec", "diff", long_a, long_b, "--json").json["files"][0]["form"] == "long"
    assert "too long" in aivcs.ok("spec", "diff", long_a, long_b).text
    for a, b in ((whole, broken), (whole, compact), (whole, array)):
        assert aivcs.ok("spec", "diff", a, b, "--json").json["files"][0]["form"] == "text"


def test_the_exit_code_tells_of_differences_only_if_asked(aivcs, spec, changed):
    assert aivcs.ok("spec", "diff", spec, spec).out == b""
    aivcs("spec", "diff", "--exit-code", spec, spec, code=0)
    aivcs("spec", "diff", "--exit-code", spec, changed, code=1)


def test_blobs_that_are_no_specs_are_compared_as_texts(aivcs):
    a, b = aivcs.put(b"one\ntwo\n"), aivcs.put(b"one\n2\n")
    lines = aivcs.ok("spec", "diff", a, b).lines
    assert lines == [f"--- {a}", f"+++ {b}", "@@ -1,2 +1,2 @@", " one", "-two", "+2"]


@pytest.mark.parametrize("verb", ["show", "checkout"])
def test_a_spec_that_is_empty_or_unknown_is_refused(aivcs, verb):
    rest = ["out"] if verb == "checkout" else []
    assert "empty" in aivcs("spec", verb, "", *rest, code=2).complaint
    aivcs("spec", verb, "0" * 64, *rest, code=12)
    aivcs("spec", verb, "nobody@current", *rest, code=12)


def test_the_deepest_folder_that_is_kept_comes_back(aivcs):
    deepest = aivcs.folder / "part" / "/".join(["d"] * 198)
    deepest.mkdir(parents=True)
    (deepest / "file").write_text("down here")
    create = ("spec", "create", "--prompts", "part")
    spec = aivcs.ok(*create).text
    for _ in range(2):
        aivcs.ok("spec", "checkout", "--force", spec, "out")
        path = aivcs.folder / "out" / deepest.relative_to(aivcs.folder) / "file"
        path.write_text("replaced")
    (deepest / "more").mkdir()
    (deepest / "more" / "file").write_text("too deep")
    assert "200 names" in aivcs(*create, code=2).complaint
