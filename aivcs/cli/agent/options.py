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
    command(
        "mcp",
        "agent.handlers:mcp",
        """Serve the store to an agent by the Model Context Protocol, on standard input and output.

        The tools list, show, search and compare runs and releases, and change nothing. A
        client starts it: claude mcp add aivcs -- aivcs mcp. Results are labelled as data.
        """,
        {
            "write": Flag(
                "--write", help="Also offer tools that start, log, end and annotate runs."
            ),
        },
    ),
)
