"""What agents find: the skill, and the declarations as JSON."""

import json
import re

from aivcs.cli.parse.commands import ROOT, visible


class TestHelpAsJson:
    def test_has_every_command_and_option(self, outside):
        whole = outside.ok("help", "--json").json
        found, waiting = {}, [whole]
        while waiting:
            command = waiting.pop()
            found[command["name"]] = command
            waiting += command.get("commands", [])
        assert found.keys() == {command.name for command in visible(ROOT).every()}
        for command in visible(ROOT).every():
            told = found[command.name]
            assert [o["spellings"] for o in told["options"]] == [
                list(option.spellings) for option in command.options
            ]
        start = found["aivcs run start"]
        agent = next(o for o in start["options"] if o["spellings"] == ["--agent"])
        assert (agent["required"], agent["metavar"], agent["kind"]) == (True, "NAME", "text")
        assert found["aivcs run log"]["options_first"] is True

    def test_has_one_command_where_it_is_named(self, outside):
        told = outside.ok("help", "run", "events", "--json").json
        assert told["name"] == "aivcs run events"
        assert [a["metavar"] for a in told["arguments"]] == ["RUN"]
        assert "commands" not in told
        assert outside.ok("help", "aivcs", "--json").json["name"] == "aivcs"

    def test_an_unknown_command_is_refused(self, outside):
        done = outside("help", "run", "lgo", "--json", code=2)
        assert "did you mean aivcs help run log" in json.loads(done.err)["message"]


class TestSkill:
    def test_is_printed_as_it_is_shipped(self, outside):
        text = outside.ok("skill").out.decode()
        head = re.match(r"---\nname: aivcs\ndescription: (.+)\n---\n", text)
        assert head
        assert len(head[1]) < 1024  # what agents accept of a description
        assert len(text.encode()) < 8 << 10

    def test_names_only_commands_that_there_are(self, outside):
        text = outside.ok("skill").text
        names = {command.name for command in visible(ROOT).leaves()}
        used = re.findall(r"aivcs ((?:run|release|spec|blob) [a-z]+|status|help|skill)\b", text)
        assert used
        assert {f"aivcs {words}" for words in used} <= names

    def test_its_way_to_record_works(self, aivcs):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"x"))
        block = re.findall(r"```sh\n(.*?)```", aivcs.ok("skill").text, re.DOTALL)[1]
        done = aivcs.shell("set -eu\n" + block.replace("NAME", "bot"))
        assert done.code == 0, done
        (record,) = aivcs.ok("run", "list", "--json").json_lines
        assert (record["status"], record["summary"]["total_events"]) == ("COMPLETED", 2)

    def test_is_installed_where_agents_look(self, outside):
        path = outside.folder / ".claude" / "skills" / "aivcs" / "SKILL.md"
        said = outside.ok("skill", "--install", ".claude/skills").text
        assert said == ".claude/skills/aivcs/SKILL.md"
        assert path.read_bytes() == outside.ok("skill").out
        outside.ok("skill", "--install", ".claude/skills")

    def test_another_file_is_kept_unless_forced(self, outside):
        path = outside.folder / "s" / "aivcs" / "SKILL.md"
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        assert "--force" in outside("skill", "--install", "s", code=15).complaint
        assert path.read_text() == "mine"
        outside.ok("skill", "--install", "s", "--force")
        assert path.read_text() != "mine"

    def test_a_place_that_cannot_be_is_said(self, outside):
        (outside.folder / "file").write_text("")
        assert "cannot write" in outside("skill", "--install", "file", code=16).complaint
        assert "is empty" in outside("skill", "--install", "", code=2).complaint
        assert "--install" in outside("skill", "--force", code=2).complaint
