"""Stores to be shown: one that strangers have written into, and one of a usual agent."""

import json
from html.parser import HTMLParser

import pytest
from web.stores import fill

ALLOWED = {
    "html": {"lang"}, "head": set(), "meta": {"charset", "http-equiv", "content", "name"},
    "title": set(), "style": set(), "body": set(), "header": set(),
    "a": {"href", "class", "aria-current"}, "h1": set(), "h2": {"id"}, "h3": {"id"},
    "dl": set(), "dt": set(), "dd": set(),
    "nav": {"aria-label"}, "ul": set(), "li": {"id", "class"}, "main": {"id"},
    "div": {"class", "role", "aria-label", "tabindex"}, "table": {"class"}, "thead": set(),
    "tbody": set(), "tr": {"id", "class"}, "th": {"scope", "class"}, "td": {"class", "colspan"},
    "p": {"class"}, "span": {"class"}, "bdi": set(), "strong": {"class"}, "details": set(),
    "summary": set(), "pre": {"class", "tabindex"}, "figure": set(), "figcaption": set(),
    "svg": {"role", "aria-label", "viewbox", "preserveaspectratio"},
    "path": {"d", "class", "stroke-width"}, "ol": {"class"}, "footer": set(),
}  # fmt: skip
"""Every element that a page has, and its attributes."""
EMPTY = {"meta"}


class Page(HTMLParser):
    """A page as a browser reads it; refuses whatever no page of ours has.

    Attributes:
        ids: The ids, in order.
        links: The targets of links.
        text: What a reader sees, in order.
    """

    def __init__(self, data):
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.style = ""
        self.policy = ""
        self.feed(data.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, tag
        given = dict(attrs)
        assert given.keys() <= ALLOWED[tag], (tag, given)
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given:
            self.links.append(given["href"])
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text.append(data)

    def handle_decl(self, decl):
        assert decl == "DOCTYPE html"

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_pi(self, data):
        raise AssertionError(data)

    def unknown_decl(self, data):
        raise AssertionError(data)

    def has(self, *texts):
        """Whether some texts stand in the page, one soon after the other."""
        joined = "\x00".join(text.strip() for text in self.text if text.strip())
        at = 0
        for text in texts:
            at = joined.find(text, at)
            if at < 0:
                return False
        return True


@pytest.fixture
def page(aivcs):
    """Writes a report, and reads it."""

    def read(*arguments, code=0):
        return Page(aivcs("report", *arguments, code=code).out)

    return read


@pytest.fixture
def hostile(outside):
    """The command in a store that strangers have written into."""
    fill(outside.folder)
    return outside


@pytest.fixture
def agent(aivcs):
    """An agent as `make_agent` makes it; the ids of its runs."""
    return make_agent(aivcs)


def make_agent(aivcs):
    """Makes an agent with two releases, a run for each, and one that failed; returns the runs."""
    runs = []
    for number in (1, 2):
        (aivcs.folder / "prompts").mkdir(exist_ok=True)
        (aivcs.folder / "prompts/main.md").write_text(f"You review code.\nVersion {number}.\n")
        spec = aivcs.ok("spec", "create", "--prompts", "prompts").text
        run = aivcs.ok("run", "start", "--agent", "reviewer", "--spec", spec).text
        events = [
            {"kind": "tool_called", "payload": {"tool_name": "read", "arguments": {"n": number}}},
            {"kind": "tool_returned", "payload": {"tool_name": "read", "output": "fine"}},
            {
                "kind": "model_called",
                "payload": {"input_tokens": 1000 * number, "output_tokens": 5, "cost_usd": 0.25},
            },
            {"kind": "evaluation", "payload": {"name": "e", "score": 0.5 + number / 10}},
        ]
        aivcs.ok("run", "log", "--stdin", run, stdin="".join(json.dumps(e) + "\n" for e in events))
        aivcs.ok("run", "finish", run, "--duration-ms", str(number * 61_000))
        aivcs.ok(
            "release", "promote", "reviewer", spec, "--label", f"v{number}", "--by", "ada",
            "--notes", f"reason {number}", "--evidence", run,
        )  # fmt: skip
        runs.append(run)
    run = aivcs.ok("run", "start", "--agent", "reviewer", "--spec", "reviewer@current").text
    aivcs.ok("run", "log", run, "tool_failed", "tool_name=make", "error=No such file: x.c")
    aivcs.ok("run", "finish", run, "--exit-code", "2")
    return [*runs, run]
