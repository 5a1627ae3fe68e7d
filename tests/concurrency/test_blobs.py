"""Many processes put the same content, or remove and put it: one object, whole, or none."""

import subprocess

from crash.harness import judge


def test_32_puts_of_one_content_make_one_object(aivcs, files):
    content = bytes(range(256)) * 2000
    (aivcs.folder / "file").write_bytes(content)
    (aivcs.folder / "large").write_bytes(content * 4)
    processes = [
        aivcs.start("blob", "put", "file", "large", stdout=subprocess.PIPE) for _ in range(32)
    ]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 32
    digests = [files.sha256(content), files.sha256(content * 4)]
    assert answers == {"".join(f"{digest}\n" for digest in digests).encode()}
    assert judge(aivcs.store).blobs == set(digests)
    assert list((aivcs.store / "tmp").iterdir()) == []


def test_a_put_beside_removals_leaves_the_content_or_nothing(aivcs, files):
    content = b"wanted and not\n"
    digest = files.sha256(content)
    for _ in range(3):
        puts = [aivcs.start("blob", "put", "-", stdin=subprocess.PIPE) for _ in range(4)]
        removals = [aivcs.start("blob", "rm", "--force", digest) for _ in range(4)]
        for put in puts:
            put.communicate(content)
        assert {process.wait(60) for process in [*puts, *removals]} == {0}
        assert judge(aivcs.store).blobs <= {digest}
    aivcs.put(content)
    assert aivcs.ok("blob", "get", digest).out == content


def test_init_at_once_by_many_makes_one_store(outside):
    processes = [outside.start("init", stdout=subprocess.PIPE) for _ in range(12)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 12
    assert len(answers) == 1
    outside.put(b"x")
    judge(outside.store)
