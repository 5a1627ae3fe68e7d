"""Somebody with write access to the store hides something as an erasure: who notices, and how."""

import hashlib
import json

from erasure.conftest import SECRET, record, records

LONG_AGO = "2001-01-01T00:00:00.000000Z"


def lines(aivcs, run):
    return aivcs.run_log(run).read_bytes().splitlines()


def rewrite(aivcs, run, changed):
    aivcs.run_log(run).write_bytes(b"\n".join(changed) + b"\n")


def stub(line):
    entry = json.loads(line)
    kept = {key: entry[key] for key in ("seq", "kind", "timestamp", "hash")}
    return json.dumps({"type": "redacted", **kept}, separators=(",", ":")).encode()


def forge(aivcs, run, number, found, by="mallory"):
    """Writes a record for a redacted line, as a program of the attacker's would."""
    told = {
        "type": "erasure", "format": 1, "what": "event", "log": f"run/{run}", "line": number,
        "seq": json.loads(found[number - 1])["seq"],
        "before": json.loads(found[number - 2])["hash"],
        "erased": json.loads(found[number - 1])["hash"],
        "stub": hashlib.sha256(found[number - 1]).hexdigest(),
        "by": by, "reason": "r", "created_at": LONG_AGO,
    }  # fmt: skip
    write_record(aivcs, told)


def write_record(aivcs, told):
    data = json.dumps(told, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    folder = aivcs.store / "erasures"
    folder.mkdir(exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()).write_bytes(data)


def test_a_stub_without_a_record_is_damage(aivcs, secret_run):
    found = lines(aivcs, secret_run)
    found[5] = stub(found[5])
    rewrite(aivcs, secret_run, found)
    assert "no record of an erasure" in aivcs("verify", code=14).text


def test_two_neighbours_redacted_hide_no_line_between_or_instead(aivcs, secret_run):
    aivcs.ok("run", "redact", secret_run, "3", "4", "--reason", "r")
    found = lines(aivcs, secret_run)
    moved = [*found[:4], found[2], *found[4:]]  # another line between the two
    swapped = [*found[:3], found[4], found[3], *found[5:]]
    changed = [*found[:4], stub(found[4]).replace(b"output", b"other"), *found[5:]]
    dropped = [*found[:3], *found[4:]]
    for other in (moved, swapped, changed, dropped):
        rewrite(aivcs, secret_run, other)
        aivcs("verify", code=14)
    rewrite(aivcs, secret_run, found)
    aivcs.ok("verify")


def test_a_line_before_a_redacted_one_is_not_changed_unnoticed(aivcs, secret_run):
    aivcs.ok("run", "redact", secret_run, "4", "--reason", "r")
    found = lines(aivcs, secret_run)
    body = found[3][: found[3].rindex(b',"hash"')].replace(b'"payload":{', b'"payload":{"x":1,')
    link = hashlib.sha256(json.loads(found[2])["hash"].encode() + body).hexdigest()
    found[3] = b'%b,"hash":"%b"}' % (body, link.encode())
    rewrite(aivcs, secret_run, found)
    assert "behind another" in aivcs("verify", code=14).text


def test_a_forged_record_is_told_and_refused_where_erasers_must_sign(aivcs, secret_run, keys):
    head = aivcs.ok("head").text
    found = lines(aivcs, secret_run)
    found[5] = stub(found[5])
    rewrite(aivcs, secret_run, found)
    forge(aivcs, secret_run, 6, found)
    assert "by mallory" in aivcs.ok("run", "verify").text
    told = aivcs("verify", "--head", head, code=14).text
    assert "no allowed eraser signed that" in told


def test_who_may_erase_is_believed_by_the_signature(aivcs, keys):
    run, other = record(aivcs), record(aivcs)
    head = aivcs.ok("head").text
    aivcs.ok("run", "redact", run, "--match", SECRET, "--with-blobs", "--reason", "r", "--sign")
    aivcs.ok("run", "rm", other, "--reason", "r", "--sign")
    aivcs.ok("verify", "--head", head)
    third = record(aivcs)
    head = aivcs.ok("head").text
    aivcs.ok("run", "rm", third, "--reason", "r")  # not signed
    assert "no allowed eraser" in aivcs("verify", "--head", head, code=14).text
    aivcs.ok("verify", "--head", aivcs.ok("head").text)  # what a head names was seen


def test_a_record_that_is_changed_or_gone_is_noticed(aivcs, secret_run):
    aivcs.ok("run", "redact", secret_run, "4", "--reason", "r", "--by", "ada")
    head = aivcs.ok("head").text
    (path,) = (aivcs.store / "erasures").iterdir()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"ada", b"bob"))
    assert "is damaged" in aivcs("verify", "--head", head, code=14).text
    path.unlink()
    assert (
        "the record of an erasure that was there" in aivcs("verify", "--head", head, code=14).text
    )


def test_a_log_cut_behind_a_redacted_line_is_damage(aivcs):
    run = record(aivcs, is_over=False)
    aivcs.ok("run", "redact", run, "6", "--reason", "r")
    rewrite(aivcs, run, lines(aivcs, run)[:7])
    aivcs("verify", code=14)
    aivcs("run", "log", run, "said", "text=x", code=14)


def test_a_forged_record_does_not_hide_that_of_an_allowed_eraser(aivcs, keys):
    run, other = record(aivcs), record(aivcs)
    aivcs.ok("run", "annotate", other, "-m", SECRET)
    head = aivcs.ok("head").text
    aivcs.ok("run", "rm", run, "--reason", "r", "--sign")
    aivcs.ok("run", "redact", other, "--match", SECRET, "--reason", "r", "--sign")
    for told in records(aivcs):
        if told["what"] != "event":
            forged = {key: value for key, value in told.items() if key != "signature"}
            write_record(aivcs, forged | {"by": "mallory", "created_at": LONG_AGO})
            if told["what"] == "log":
                write_record(aivcs, forged | {"lines": 3, "created_at": LONG_AGO})
    told = aivcs.ok("verify", "--head", head).text
    assert told.count("its record is") >= 3
    assert "mallory" not in told


def test_an_unsigned_erasure_is_approved_by_a_new_head(aivcs, keys):
    run = record(aivcs)
    head = aivcs.ok("head").text
    aivcs.ok("run", "rm", run, "--reason", "r")
    assert "keep a new head" in aivcs("verify", "--head", head, code=14).text
    aivcs.ok("verify", "--head", aivcs.ok("head").text)
