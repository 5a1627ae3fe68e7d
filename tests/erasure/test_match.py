"""Where `run redact --match` looks for a text, in which forms, and what it says of other places."""

import json

import pytest
from erasure.conftest import SECRET, holders

TOKEN = 'pa"ss/wörd'
ONCE = json.dumps(TOKEN)[1:-1]
TWICE = json.dumps(ONCE)[1:-1]


def started(aivcs, *words, spec=b"a spec\n"):
    return aivcs.ok(
        "run", "start", "--agent", "bot", "--spec", aivcs.put(spec), *words
    ).text.strip()


def logged(aivcs, run, payload, kind="output"):
    line = json.dumps({"kind": kind, "payload": payload})
    aivcs.ok("run", "log", "--stdin", run, stdin=line.encode())


def redact(aivcs, run, text, *more, code=0):
    words = ("run", "redact", run, "--match", text, "--reason", "r", *more)
    return aivcs(*words, *(() if "--by" in more else ("--by", "ada")), code=code)


@pytest.mark.parametrize(
    "form",
    [
        TOKEN,
        ONCE,
        TWICE,
        ONCE.replace("/", "\\/"),
        ONCE.replace("u00f6", "u00F6"),
        TWICE.replace("u00f6", "u00F6"),
        json.dumps(TOKEN, ensure_ascii=False)[1:-1],
    ],
)
class TestAForm:
    def test_in_a_payload(self, aivcs, form):
        run = started(aivcs)
        logged(aivcs, run, {"arguments": f'{{"key":"{form}"}}'})
        redact(aivcs, run, TOKEN)
        assert aivcs.events(run)[0]["payload"] is None

    def test_in_a_blob(self, aivcs, form):
        run = started(aivcs)
        digest = aivcs.put(f'{{"key":"{form}"}}'.encode())
        logged(aivcs, run, {"file": {"$blob": digest}})
        redact(aivcs, run, TOKEN, "--with-blobs")
        assert not aivcs.object(digest).exists()

    def test_is_masked_in_the_copy(self, aivcs, form):
        run = started(aivcs)
        logged(aivcs, run, {"arguments": f'{{"key":"{form}"}}'})
        redact(aivcs, run, TOKEN, "--keep-masked")
        assert holders(aivcs.store, json.dumps(form)[1:-1]) == []
        assert len(holders(aivcs.store, "[redacted]")) == 1


class TestASpec:
    def test_with_the_text_is_told_of(self, aivcs):
        run = started(aivcs, spec=f"use {SECRET}\n".encode())
        logged(aivcs, run, SECRET)
        told = redact(aivcs, run, SECRET).err.decode()
        assert "which is the spec, or a part of it, has the text, too: erase it by" in told

    def test_goes_with_the_blobs(self, aivcs):
        run = started(aivcs, spec=f"use {SECRET}\n".encode())
        logged(aivcs, run, SECRET)
        redact(aivcs, run, SECRET, "--with-blobs")
        assert holders(aivcs.store) == []

    def test_that_is_live_needs_force(self, aivcs, unchanged):
        spec = aivcs.put(f"use {SECRET}\n".encode())
        run = started(aivcs, spec=f"use {SECRET}\n".encode())
        logged(aivcs, run, SECRET)
        aivcs.ok("run", "finish", run)
        aivcs.ok("release", "promote", "bot", spec, "--by", "ada")
        with unchanged:
            redact(aivcs, run, SECRET, "--with-blobs", code=15)
        redact(aivcs, run, SECRET, "--with-blobs", "--force")
        assert holders(aivcs.store) == []


@pytest.mark.parametrize("words", [("-m", "x", "--by", f"bot {SECRET}"), (f"n-{SECRET}", "a=1")])
def test_an_annotation_with_the_text_outside_its_payload_goes(aivcs, words):
    run = started(aivcs)
    aivcs.ok("run", "annotate", run, *words)
    assert len(holders(aivcs.store)) == 1
    redact(aivcs, run, SECRET)
    assert holders(aivcs.store) == []


def test_an_actor_with_the_text_is_refused(aivcs, unchanged):
    run = started(aivcs)
    logged(aivcs, run, SECRET)
    with unchanged:
        told = redact(aivcs, run, SECRET, "--by", f"ada {SECRET}", code=2).err.decode()
    assert "--by" in told


class TestATextThatNoPayloadHas:
    def test_but_a_tag_has(self, aivcs):
        run = started(aivcs, "--tag", f"key={SECRET}")
        told = redact(aivcs, run, SECRET, code=12).err.decode()
        assert "the first line of the run has the text" in told

    def test_but_a_kind_has(self, aivcs):
        run = started(aivcs)
        logged(aivcs, run, 1, kind=f"k-{SECRET}")
        assert "the kind of event 1 has" in redact(aivcs, run, SECRET, code=12).err.decode()

    def test_but_the_spec_has(self, aivcs):
        run = started(aivcs, spec=f"use {SECRET}\n".encode())
        assert (
            "which is the spec, or a part of it, has it"
            in redact(aivcs, run, SECRET, code=12).err.decode()
        )
