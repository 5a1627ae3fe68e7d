"""The commands for agents."""

from aivcs.cli.parse.model import Flag, Option, command

COMMANDS = (
    command(
        "skill",
        "agent.handlers:skill",
        """Print the skill that tells an agent how to record and read runs with aivcs.

        Agents find skills as FOLDER/aivcs/SKILL.md: Claude Code in .claude/skills, Codex and
        others in .agents/skills, Gemini CLI in .gemini/skills, of a project or of your home.
        """,
        {
            "folder": Option(
                "--install",
                help="Write it below a folder of skills, as aivcs/SKILL.md, and print its path.",
                metavar="DIR",
            ),
            "force": Flag("--force", help="Replace a SKILL.md with another content."),
        },
    ),
)
