"""The commands of docs/postgresql.md do what it says, typed in order against a real server."""

import re
import subprocess
from pathlib import Path

import pytest
from docs.walkthrough import BLOCK
from servers import postgres

server = postgres.server
PAGE = (Path(__file__).parents[2] / "docs" / "postgresql.md").read_text()
URL = "postgresql://ann@db.example.com/agents?schema=team"
INLINE = re.compile(r"`((?:psql|pg_dump) [^`]+)`")


@pytest.fixture
def typed(server, outside, programs):
    """Types what the page says, in a database named otherwise, and returns what it printed."""
    server.give_back(server.store())  # makes the user
    name = server.empty()
    url = server.url(name, schema="team")

    def typed(text, **more):
        assert "docker" not in text
        text = re.sub(r"^pip install .*\n", "", text.replace(URL, url), flags=re.MULTILINE)
        text = text.replace("-n team agents", f"-n team {name}")
        variables = {
            "AIVCS_STORE": url, "DATABASE": url.partition("?")[0], "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port), "PGUSER": postgres.KEEPER, **more,
        }  # fmt: skip
        environment = outside.environment(**variables)
        environment["PATH"] = f"{programs}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=outside.folder, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done
        assert "ERROR" not in done.stderr, done.stderr
        return done.stdout

    server.sql(f"CREATE ROLE ci LOGIN; ALTER ROLE {postgres.KEEPER} CREATEROLE")
    yield typed
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.sql(f"ALTER ROLE {postgres.KEEPER} NOCREATEROLE")
    for role in ("ci", '"team_recorder"', '"team_promoter:prod/*"'):
        server.sql(f"DROP ROLE IF EXISTS {role}")


def test_the_page_typed_in_order(typed, server, outside):
    first, container, roles, reading = (text for _, text in BLOCK.findall(PAGE))
    assert typed(first).strip().endswith("schema=team")
    assert re.search(r"export PGPASSWORD=\S+ AIVCS_STORE=", container)
    *grants, check = roles.splitlines()
    typed("\n".join(grants))
    assert "fsync = off" in typed(f"({check}\n) || test $? = 1")  # of the servers of tests
    (then,) = re.findall(r"# then: (GRANT .*;)", roles)
    typed(f"psql \"$DATABASE\" -c '{then}'")
    run = typed(
        "spec=$(echo spec | aivcs blob put -); run=$(aivcs run start --agent bot --spec $spec); "
        "aivcs run log $run step n:=1; aivcs run finish $run; echo $run"
    ).strip()
    lines, kinds, agents = (
        typed(line, RUN=run) for line in reading.splitlines() if line.startswith("psql")
    )
    assert [line.partition(",")[0] for line in lines.splitlines()] == [
        '{"type":"run"', '{"type":"event"', '{"type":"end"',
    ]  # fmt: skip
    assert "step | " in kinds.replace("  ", " ")
    assert "COMPLETED" in agents
    inline = INLINE.findall(PAGE)
    assert [command.split()[0] for command in inline] == ["pg_dump", "psql"]
    for command in inline:
        typed(command)
    assert "CREATE TABLE team.chunks" in (outside.folder / "backup.sql").read_text()


@pytest.mark.parametrize("role", re.findall(r"^\| (\w+) \| ", PAGE, re.MULTILINE)[1:])
def test_every_role_of_the_page_is_one(role):
    from aivcs.store.roles import ROLES

    assert role in ROLES
