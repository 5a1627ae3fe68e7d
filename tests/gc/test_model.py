"""What `gc` removes of any graph of blobs is what a few lines of sets say, in memory or not."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from folder_store import FolderStore
from hypothesis import given, settings, strategies as st

from aivcs.commands.store import gc
from aivcs.store.settings import Settings
from aivcs.util import disk_map
from examples import examples

DAY = 86_400
ABSENT = "ab" * 32

# Of each blob: which of those before it it names, whether it is pinned or put lately, and how it
# spells what it names: not so that it counts, in a text, or as JSON.
BLOBS = st.lists(
    st.tuples(st.sets(st.integers(0, 11), max_size=4), *[st.booleans()] * 2, st.integers(0, 3)),
    max_size=12,
)


def reached(names, roots):
    found = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += names.get(one, ())
    return found


@settings(max_examples=examples(60))
@given(BLOBS, st.sampled_from([0, 3, 2048]))
def test_what_nothing_reaches_goes_and_what_names_it_goes_before(blobs, limit):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk_map, "LIMIT", limit)
        patch.setattr(disk_map, "_BLOCK", 1 + limit)
        backend = FolderStore.init(f"{folder}/.aivcs", settings=Settings(durability="none"))
        digests, names, roots, young = [], {}, set(), set()  # type: ignore[var-annotated]
        for number, (parts, is_pinned, is_young, kind) in enumerate(blobs):
            named = [digests[part] for part in sorted(parts) if part < number]
            content = json.dumps([number, ABSENT, *named])
            if kind == 0:
                content = content.replace('"', "0")
            elif kind == 1:
                content = f"no JSON: {content}".replace('"', " ")
            digest = backend.blobs.put(content.encode())
            digests.append(digest)
            names[digest] = named if kind else []
            if is_pinned:
                backend.pin(digest)
                roots.add(digest)
            if is_young:
                young.add(digest)
            else:
                path = Path(backend.path, "objects", digest[:2], digest[2:])
                moment = path.stat().st_mtime - 2 * DAY
                os.utime(path, (moment, moment))
        kept = reached(names, roots | young)
        would = [blob.digest for blob in gc.collect(backend, grace=DAY, dry_run=True)]
        went = [blob.digest for blob in gc.collect(backend, grace=DAY)]
        assert went == would
        assert sorted(went) == sorted(set(digests) - kept)
        assert set(backend.blobs.list_digests()) == kept
        for place, digest in enumerate(went):
            assert not set(names[digest]) & set(went[:place])
