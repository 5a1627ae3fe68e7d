"""A connection off this machine is encrypted and verified: against a real server with TLS.

The server listens on loopback, and is named 127.1 there: the same address for the system, and for
aivcs a name like any other.
"""

import shutil
import subprocess

import pytest
from servers.postgres import KEEPER, Server, need_programs

PASSWORD = "hunter2 and more"


class Authority:
    """A certificate authority, made by openssl."""

    def __init__(self, folder, name):
        self.folder = folder / name
        self.folder.mkdir()
        self.root = self.folder / "root.crt"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "root.key", "-out", "root.crt", "-days", "2", "-subj", f"/CN={name}",
        )  # fmt: skip

    def sign(self, *names):
        """Makes a certificate for a server; returns its file and that of its key."""
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            "server.key", "-out", "server.csr", "-subj", "/CN=server",
        )  # fmt: skip
        (self.folder / "names").write_text(f"subjectAltName={','.join(names)}\n")
        self._openssl(
            "x509", "-req", "-in", "server.csr", "-CA", "root.crt", "-CAkey", "root.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt",
        )  # fmt: skip
        return self.folder / "server.crt", self.folder / "server.key"

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "ours"), Authority(folder, "theirs")


@pytest.fixture(scope="module")
def tls_server(authorities):
    """A server with TLS that takes the keeper by scram and over TLS only."""
    made = Server(need_programs())
    try:
        present(made, *authorities[0].sign("IP:127.0.0.1", "DNS:127.1"))
        made.sql("ALTER SYSTEM SET ssl = on")
        database = made.store()
        made.sql(
            f"SET password_encryption = 'scram-sha-256'; ALTER ROLE {KEEPER} PASSWORD '{PASSWORD}'"
        )
        hba = made.folder / "data" / "pg_hba.conf"
        hba.write_text(
            f"hostssl all {KEEPER} 127.0.0.1/32 scram-sha-256\n"
            f"host all {KEEPER} all reject\n{hba.read_text()}"
        )
        made.restart("fast")
        yield made, database
    finally:
        made.end()


def present(server, certificate, key):
    """Lets a server present a certificate, from its next start or reload on."""
    for path, name in ((certificate, "server.crt"), (key, "server.key")):
        target = server.folder / "data" / name
        shutil.copy(path, target)
        target.chmod(0o600)
        shutil.chown(target, (server.folder / "data").owner(), (server.folder / "data").group())


@pytest.fixture
def connect(tls_server, authorities, outside):
    """Calls `status` over the network, with a root that is trusted, and a password."""

    server, database = tls_server

    def connect(query="", *, root=authorities[0].root, password=PASSWORD, code=0):
        url = server.url(database).replace("@127.0.0.1:", "@127.1:") + query
        variables = {
            "AIVCS_STORE": url,
            "PGPASSWORD": password,
            "PGSSLROOTCERT": root and str(root),
        }
        done = outside("status", code=code, env=variables)
        assert "hunter2" not in done.err.decode() + done.out.decode()
        return done

    return connect


def test_with_the_right_root_it_is_encrypted_and_verified(connect, tls_server):
    assert "runs" in connect().text
    server, _ = tls_server
    rows = server.sql("SHOW password_encryption") + server.sql(
        f"SELECT rolpassword LIKE 'SCRAM-SHA-256$%%' FROM pg_authid WHERE rolname = '{KEEPER}'"
    )
    assert rows == [("scram-sha-256",), (True,)]


def test_an_unknown_root_is_refused(connect, authorities):
    assert "certificate" in connect(root=authorities[1].root, code=16).complaint
    assert "certificate" in connect(root=None, code=16).complaint  # those of the system


def test_a_certificate_of_another_host_is_refused(connect, tls_server, authorities):
    server, _ = tls_server
    present(server, *authorities[0].sign("DNS:db.example.com"))
    server.sql("SELECT pg_reload_conf()")
    try:
        said = connect(code=16).complaint
        assert "does not match host name" in said
        assert "the certificate is another host's" in said
    finally:
        present(server, *authorities[0].sign("IP:127.0.0.1", "DNS:127.1"))
        server.sql("SELECT pg_reload_conf()")


@pytest.mark.parametrize("mode", ["disable", "require"])
def test_less_is_refused_unless_the_user_says_so(connect, outside, mode):
    assert "remote.tls" in connect(f"&sslmode={mode}", root=None, code=2).complaint
    folder = outside.home / ".config" / "aivcs"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'[remote]\ntls = "{mode}"\ntimeout = 0.5\n')
    if mode == "disable":  # the server itself takes nobody without TLS
        assert "pg_hba.conf" in connect(f"&sslmode={mode}", root=None, code=16).complaint
    else:
        connect(f"&sslmode={mode}", root=None)


def test_a_wrong_password_is_refused(connect):
    assert "password authentication failed" in connect(password="wrong", code=16).complaint
