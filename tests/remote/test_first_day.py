"""The first day as docs/remote.md tells it: the page's own lines, typed by four people."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from servers import postgres

server = postgres.server
PAGE = Path(__file__).parents[2] / "docs/remote.md"
URL = "postgresql://db.example/aivcs?schema=team"


def blocks():
    """Who types what, in the order of the page."""
    text = PAGE.read_text("utf-8")
    section = text[text.index("## A first day") :].split("\n## ", 1)[0]
    found = re.findall(r"^```sh\n# (.+?)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert [who for who, _ in found] == [
        "owner", "developer", "runner", "runner without a network", "runner", "promoter",
    ]  # fmt: skip
    return found


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "aivcs").exists(), reason="needs aivcs installed"
)
def test_a_first_day(server, tmp_path, outside):
    server.give_back(server.store())  # which makes the user that owns the stores
    database = server.empty()
    url = f"postgresql://127.0.0.1:{server.port}/{database}?schema=team"
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    (checkout / "prompt.md").write_text("You review.\n")
    (checkout / "check.sh").write_text("#!/bin/sh\necho fine\n")
    (checkout / "check.sh").chmod(0o755)
    users = {"owner": postgres.KEEPER, "developer": postgres.KEEPER}
    told = ""
    for who, script in blocks():
        person = who.split()[0]
        home = tmp_path / f"home of {person}"
        home.mkdir(exist_ok=True)
        env = outside.environment(
            HOME=str(home),
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            PGUSER=users.get(person, "nobody"),
        )
        assert URL in script or who != "owner"
        done = subprocess.run(
            ["bash", "-euc", script.replace(URL, url)], cwd=checkout, env=env,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (who, done)
        told = done.stdout
        if who == "owner":
            for role, user in (
                ("recorder", f"runner_{database}"),
                ("promoter", f"promoter_{database}"),
            ):
                sql = (checkout / f"{role}.sql").read_text()
                assert not server.psql(sql, database=database).stderr
                group = sql.split('CREATE ROLE "')[1].split('"')[0]
                server.sql(f'CREATE ROLE {user} LOGIN; GRANT "{group}" TO {user}')
                users["runner" if role == "recorder" else "promoter"] = user
    spec = subprocess.run(
        ["sha256sum", "prompt.md"], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert told.splitlines()[-1] == spec
    runs = outside.ok("--store", url, "run", "list", "--json", env={"PGUSER": postgres.KEEPER})
    assert [run["status"] for run in runs.json_lines] == ["COMPLETED"] * 2
    release = outside.ok(
        "--store", url, "release", "history", "prod/reviewer", "--json",
        env={"PGUSER": postgres.KEEPER},
    )  # fmt: skip
    assert len(release.json_lines[0]["evidence"]) == 1
    outside.ok("--store", url, "verify", env={"PGUSER": postgres.KEEPER})
