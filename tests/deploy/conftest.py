"""A store with an agent to be deployed, and a system whose configuration a test may write."""

import pytest


@pytest.fixture
def release(aivcs):
    """Releases an agent with one prompt, and returns the digest of its spec."""

    def promote(prompt, *options, name="coder"):
        prompts = aivcs.folder / "prompts"
        prompts.mkdir(exist_ok=True)
        (prompts / "main.md").write_text(prompt)
        spec = aivcs.ok("spec", "create", "--prompts", "prompts").text
        aivcs.ok("release", "promote", name, spec, *options)
        return spec

    return promote
