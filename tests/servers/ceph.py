"""A cluster of Ceph on loopback for tests: one monitor, one store in memory, one gateway."""

import os
import socket
import subprocess
import time
import uuid

from servers.s3 import ACCESS_KEY, SECRET_KEY

_CONFIG = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# Without it the gateway hangs for minutes.
ms mon client mode = crc
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 1073741824
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/run/$name.log
mon cluster log file = {folder}/run/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
keyring = {folder}/keyring
mon osd initial require min compat client = luminous
# They make the start quick.
paxos propose interval = 0.05
paxos min wait = 0.01
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1
rgw thread pool size = 16
"""


class Cluster:
    """A running cluster.

    Attributes:
        processes: Its processes, which stay in the foreground.
    """

    def __init__(self, folder, *, monitor, gateway):
        """Starts it; the gateway listens on return."""
        self.processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        for name in ("mon", "osd", "run", "rgw"):
            (folder / name).mkdir()
        self._fsid = str(uuid.uuid4())
        text = _CONFIG.format(fsid=self._fsid, folder=folder, monitor=monitor, gateway=gateway)
        (folder / "ceph.conf").write_text(text)
        self._environment = {**os.environ, "CEPH_CONF": str(folder / "ceph.conf")}
        try:
            self._start(monitor, gateway)
        except BaseException:
            for process in self.processes:
                process.kill()
                process.wait()
            raise

    def _start(self, monitor, gateway):
        ring = self._folder / "keyring"
        self._run("ceph-authtool", ring, "--create-keyring", "--gen-key", "-n", "mon.",
            "--cap", "mon", "allow *")  # fmt: skip
        self._run("ceph-authtool", ring, "--gen-key", "-n", "client.admin", "--cap", "mon",
            "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")  # fmt: skip
        (self._folder / "rgw" / "keyring").write_bytes(ring.read_bytes())
        monmap = self._folder / "monmap"
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a",
            f"[v2:127.0.0.1:{monitor}]", monmap)  # fmt: skip
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", ring)
        self._begin("ceph-mon", "-i", "a", "-f")
        store = str(uuid.uuid4())
        (self._folder / "osd" / "fsid").write_text(f"{store}\n")
        self._run("ceph", "osd", "new", store)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
        self._begin("ceph-osd", "-i", "0", "-f")
        self._begin("radosgw", "-n", "client.rgw", "-f")
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", gateway)) == 0:
                    break
            if time.monotonic() > deadline:
                raise TimeoutError("the gateway of Ceph does not listen")
            time.sleep(0.1)
        self._run("radosgw-admin", "user", "create", "--uid=t", "--display-name=t",
            f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")  # fmt: skip

    def _run(self, *words):
        subprocess.run(
            words, env=self._environment, cwd=self._folder, check=True, timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _begin(self, *words):
        self.processes.append(
            subprocess.Popen(
                words,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        )
