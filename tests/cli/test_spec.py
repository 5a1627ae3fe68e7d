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
    return [
        word
        for part, path in paths.items()
        if part not in left_out
        for word in (f"--{part}", str(agent / path))
    ]


@pytest.fixture
def spec(aivcs, agent):
    """The digest of the agent."""
    return aivcs.ok("spec", "create", *parts(agent), "--git-sha", "abc123def456").text


def manifest(*paths, digest):
    files = [{"digest": digest, "mode": "644", "path": path} for path in paths]
    value = {"files": files, "format": 1, "type": "folder"}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


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
    folder = agent / "prompts"
    entries = [
        {"digest": files.sha256((folder / path).read_bytes()), "mode": mode, "path": path}
        for path, mode in [("render.sh", "755"), ("roles/größe.md", "644"), ("system.md", "644")]
    ]
    value = {"type": "folder", "format": 1, "files": entries}
    manifest_digest = files.sha256(sorted_by_jq(value))
    digests = [files.sha256((agent / f"{name}.json").read_bytes()) for name in ("graph", "tools")]
    config = files.sha256((agent / "config.json").read_bytes())
    texts = ["abc123def456", digests[0], manifest_digest, digests[1], config]
    made = sorted_by_jq(dict(zip(FIELDS, texts, strict=True)))
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
    assert tree(aivcs.folder / "out" / "prompts") == tree(agent / "prompts")


def test_a_link_that_is_named_itself_is_followed(aivcs, agent, spec):
    (aivcs.folder / "link").symlink_to(agent / "prompts")
    words = [*parts(agent), "--prompts", "link", "--git-sha", "abc123def456"]
    assert aivcs.ok("spec", "create", *words).text == spec


def test_the_commit_is_that_of_run_start_unless_the_spec_is_partial(aivcs, agent):
    sha = "9fceb02d0ae598e95dc970b74767f19372d61af8"
    made = aivcs.ok("spec", "create", *parts(agent), "--json", env={"GITHUB_SHA": sha}).json
    assert made["git_sha"] == sha
    words = ["spec", "create", "--partial", *parts(agent, "tools", "graph"), "--json"]
    partial = aivcs.ok(*words, env={"GITHUB_SHA": sha}).json
    assert list(partial) == ["spec_digest", "prompts_digest", "config_digest"]


def test_a_spec_with_a_part_missing_is_refused(aivcs, agent, unchanged):
    with unchanged:
        done = aivcs("spec", "create", *parts(agent, "tools"), "--git-sha", "abc", code=2)
        assert "--tools" in done.complaint
        assert "--partial" in done.complaint
        assert "--git-sha" in aivcs("spec", "create", *parts(agent), code=2).complaint
        aivcs("spec", "create", "--partial", code=2)
        for word in ("--prompts", "--git-sha"):
            done = aivcs("spec", "create", *parts(agent), "--git-sha", "abc", word, "", code=2)
            assert "empty" in done.complaint


@pytest.mark.parametrize("what", ["link", "pipe", "name", "git", "manifest", "absent", "device"])
def test_what_cannot_be_kept_is_refused_before_anything_is_stored(aivcs, agent, unchanged, what):
    words = parts(agent)
    bad = os.fsencode(agent / "prompts" / "zz")
    if what == "link":
        os.symlink("system.md", bad)
    elif what == "pipe":
        os.mkfifo(bad)
    elif what == "name":
        with open(bad + b"\xe9", "wb"):
            pass
    elif what == "git":
        (agent / "prompts" / ".git").mkdir()
    elif what == "manifest":
        (agent / "config.json").write_bytes(manifest("a", digest="0" * 64))
    elif what == "absent":
        (agent / "graph.json").unlink()
    else:
        words += ["--config", "/dev/null"]
    with unchanged:
        aivcs("spec", "create", *words, "--git-sha", "abc", code=2)


def test_a_store_is_no_part_and_neither_is_what_is_in_it_or_around_it(aivcs):
    named = aivcs.folder / "named" / "store"
    named.parent.mkdir()
    os.rename(aivcs.store, named)
    os.symlink(named.parent, aivcs.folder / "link")
    (aivcs.folder / "other" / ".aivcs").mkdir(parents=True)
    for folder, complaint in (
        (named, "in the store"),
        (named / "objects", "in the store"),
        (aivcs.folder / "link", "around the store"),
        (aivcs.folder / "other" / ".aivcs", "is a repository"),
    ):
        done = aivcs("--store", named, "spec", "create", "--partial", "--tools", folder, code=2)
        assert complaint in done.complaint
        assert os.listdir(named / "objects") == []
    beside = named.with_name("storehouse")
    beside.mkdir()
    (beside / "tool").write_text("x")
    aivcs.ok("--store", named, "spec", "create", "--partial", "--tools", beside)


def test_show_tells_every_file(aivcs, agent, spec, files):
    lines = aivcs.ok("spec", "show", spec[:8]).lines
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines}
    assert rows["spec"] == ["spec", "-", spec]
    assert rows["git_sha"] == ["commit", "-", "abc123def456"]
    assert rows["prompts"][:2] == ["folder", str(27 + 10 + 24)]
    assert rows["prompts/render.sh"][:2] == ["755", "24"]
    content = (agent / "config.json").read_bytes()
    assert rows["config"] == ["file", str(len(content)), files.sha256(content)]
    shown = aivcs.ok("spec", "show", spec, "--json").json
    assert shown["git_sha"] == "abc123def456"
    assert shown["parts"]["tools"] == {"kind": "file", "size": 19}
    assert [file["path"] for file in shown["parts"]["prompts"]["files"]] == [
        "render.sh", "roles/größe.md", "system.md",
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
    assert "no spec" in aivcs("spec", "show", "bot@current", code=2).complaint
    assert "no spec" in aivcs("spec", "checkout", "bot@current", "out", code=2).complaint


def test_checkout_gives_the_parts_back(aivcs, agent, spec):
    done = aivcs.ok("spec", "checkout", spec, "out/there")
    assert done.lines == [f"out/there/{part}" for part in ("graph", "prompts", "tools", "config")]
    out = aivcs.folder / "out" / "there"
    assert tree(out / "prompts") == tree(agent / "prompts")
    assert (out / "config").read_bytes() == (agent / "config.json").read_bytes()
    assert sorted(os.listdir(out)) == ["config", "graph", "prompts", "tools"]
    words = [word for part in os.listdir(out) for word in (f"--{part}", str(out / part))]
    assert aivcs.ok("spec", "create", *words, "--git-sha", "abc123def456").text == spec


def test_checkout_leaves_alone_what_is_there(aivcs, agent, spec, files):
    aivcs.ok("spec", "checkout", spec, "out")
    out = aivcs.folder / "out"
    before = (out / "prompts").stat().st_ino
    aivcs.ok("spec", "checkout", spec, "out")
    assert (out / "prompts").stat().st_ino == before
    (out / "prompts" / "mine.md").write_text("notes\n")
    (out / "config").unlink()
    held = files.snapshot(out)
    assert "--force" in aivcs("spec", "checkout", spec, "out", code=15).complaint
    assert files.snapshot(out) == held
    aivcs.ok("spec", "checkout", "--force", spec, "out")
    assert tree(out / "prompts") == tree(agent / "prompts")
    assert (out / "config").is_file()


def test_checkout_replaces_a_link_and_not_what_it_leads_to(aivcs, agent, spec):
    outer = aivcs.folder / "outer"
    outer.mkdir()
    (aivcs.folder / "out").mkdir()
    (aivcs.folder / "out" / "prompts").symlink_to(outer)
    aivcs("spec", "checkout", spec, "out", code=15)
    aivcs.ok("spec", "checkout", "--force", spec, "out")
    assert list(outer.iterdir()) == []
    assert tree(aivcs.folder / "out" / "prompts") == tree(agent / "prompts")


@pytest.mark.parametrize(
    "paths",
    [["../x"], ["/tmp/x"], ["a", "a"], ["a", "a/b"], ["x" * 300], [".git/hooks/x"], ["a\\u0000b"]],
)
def test_a_hostile_manifest_is_refused_before_anything_is_written(aivcs, spec, paths):
    good = aivcs.put(b"good\n")
    data = manifest(*paths, digest=good).replace(b"\\\\u0000", b"\\u0000")
    fields = aivcs.ok("spec", "show", spec, "--json").json
    fields = {name: fields[name] for name in FIELDS} | {"prompts_digest": aivcs.put(data)}
    hostile = aivcs.put(json.dumps(fields, separators=(",", ":"), sort_keys=True).encode())
    before = sorted(aivcs.folder.parent.rglob("*"))
    aivcs("spec", "checkout", hostile, "out", code=2)
    assert sorted(aivcs.folder.parent.rglob("*")) == before


def test_checkout_of_a_damaged_part_leaves_everything_as_it_was(aivcs, spec):
    fields = aivcs.ok("spec", "show", spec, "--json").json
    path = aivcs.object(fields["config_digest"])
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
    assert "Binary files a/tools and b/tools differ" in text


def test_diff_in_json_names_places_by_pointers(aivcs, spec, changed):
    found = aivcs.ok("spec", "diff", spec, changed, "--json").json
    assert (found["a"], found["b"], found["equal"]) == (spec, changed, False)
    by_path = {file["path"]: file for file in found["files"]}
    assert by_path["config"]["changes"] == [
        {"op": "replace", "path": "/model", "a": "small", "b": "large"},
        {"op": "add", "path": "/a~1b", "b": [1]},
    ]
    assert by_path["prompts/new.md"]["diff"].endswith("+Hello\x1b[31m\n")
    assert {path: (file["kind"], file["form"]) for path, file in by_path.items()} == {
        "config": ("changed", "json"),
        "prompts/new.md": ("added", "text"),
        "prompts/render.sh": ("changed", "same"),
        "prompts/roles/größe.md": ("removed", "text"),
        "prompts/system.md": ("changed", "text"),
        "tools": ("changed", "binary"),
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
    deepest = aivcs.folder / "part" / "/".join(["d"] * 199)
    deepest.mkdir(parents=True)
    (deepest / "file").write_text("down here")
    create = ("spec", "create", "--partial", "--prompts", "part")
    spec = aivcs.ok(*create).text
    for _ in range(2):
        aivcs.ok("spec", "checkout", "--force", spec, "out")
        (aivcs.folder / "out" / "prompts" / "other").write_text("replaced")
    (deepest / "more").mkdir()
    (deepest / "more" / "file").write_text("too deep")
    assert "200 names" in aivcs(*create, code=2).complaint
