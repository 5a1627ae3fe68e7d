"""Where the dispatch table answers, it answers as Typer does; and plain lines it answers."""

import io
from contextlib import redirect_stdout

import pytest
import typer
from hypothesis import example, given, settings, strategies as st

from aivcs.cli.parse import typer_app
from aivcs.cli.parse.commands import ROOT as EVERYTHING, visible
from aivcs.cli.parse.dispatch import parse
from aivcs.cli.parse.mistakes import find_mistake
from aivcs.cli.session.context import Context
from examples import examples

ROOT = visible(EVERYTHING)
COMMANDS = ROOT.leaves()
DEFAULTS = {
    "directory": None, "store": None, "lock_timeout": None, "color": None, "table": False,
    "quiet": False, "no_pager": False,
}  # fmt: skip


class Recorder(Context):
    """A context that notes what it is told, and does nothing."""

    def __init__(self):
        super().__init__({})
        self.options = None
        self.calls = []

    def note(self, _, target, parameters):
        self.calls.append((target, parameters))
        return 0

    def configure(self, **options):
        self.options = options

    def write(self, data):
        pass


@pytest.fixture(scope="module")
def ask_typer():
    """Returns what Typer makes of a command line, as `parse` does: None if it calls no verb."""

    recorder = Recorder()
    command = typer.main.get_command(typer_app.build(recorder, recorder.note))

    def ask(arguments):
        recorder.options, recorder.calls = None, []
        try:
            with redirect_stdout(io.StringIO()):
                command.main(list(arguments), prog_name="aivcs", standalone_mode=False)
        except (typer.Exit, typer.Abort):
            pass
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
        if not recorder.calls:
            return None
        ((target, parameters),) = recorder.calls
        return target, recorder.options, parameters

    return ask


def same(ours, theirs):
    """Whether two calls are the same, types included: False is not 0, and 1 not 1.0."""
    assert theirs is not None, f"Typer refuses what the table reads as {ours}"
    target, options, parameters = ours
    assert repr((target, {**DEFAULTS, **options}, dict(sorted(parameters.items())))) == repr(
        (theirs[0], {**DEFAULTS, **theirs[1]}, dict(sorted(theirs[2].items())))
    )


NUMBERS = st.integers(0, 10**15).map(str)
PLAIN = st.one_of(
    st.sampled_from(["@", "-", "", "a=b", "k:=1", "reviewer@current", "ü", "a b", "{}", "=", ":"]),
    st.text(min_size=1, max_size=6).filter(lambda text: text[:1] != "-"),
)
"""Words that are values or operands, and nothing else."""
ODD = st.one_of(
    st.sampled_from([
        "--", "---", "-", "", "-1", "-1.5", "+1", "1_000", "٣", "²", "0x10", "1e3", "inf", "nan",
        " 1", "1 ", "007", "9" * 30, "1.", ".5", ".", "1.2.3", "-h", "--help", "--version", "--=",
        "--=x", "-=", "-C", "-Cx", "-C=x", "-zz", "-zn", "-ofile", "-n5", "-n=5", "-nf",
        "--no-json",
        "--jso", "--stor", "--JSON", "--json=1", "--json=", "--status=Completed", "COMPLETED",
        "9" * 400, "1e400", "1" + "0" * 16,
        "\udc80", "\0", "blob put", "run log", "@file", "~", "$HOME", "*", "help", "--store=",
    ]),
    st.text(max_size=5),
    st.text("-=azC1", max_size=5),
)  # fmt: skip
"""Words that need not be anything."""


def values(option):
    """Values that are certainly right for an option."""
    if option.choices:
        return st.sampled_from(option.choices)
    if option.kind == "integer":
        return NUMBERS
    if option.kind == "number":
        return NUMBERS | st.decimals(0, 1000, places=2).map(str)
    return PLAIN


def repeats(option):
    """Whether an option may be given twice."""
    return option.many or option.kind == "flag"


@st.composite
def given_options(draw, options, required=()):
    """Options in every spelling, the required ones, and repeated what may be repeated."""
    chosen = list(required)
    if options:
        drawn = draw(st.lists(st.sampled_from(options), max_size=4))
        chosen += [o for n, o in enumerate(drawn) if repeats(o) or o not in (*required, *drawn[:n])]
    words = []
    for option in draw(st.permutations(chosen)):
        spelling = draw(st.sampled_from(option.spellings))
        if option.kind == "flag":
            words.append([spelling])
            continue
        value = draw(values(option))
        if spelling.startswith("--") and draw(st.booleans()):
            words.append([f"{spelling}={value}"])
        else:
            words.append([spelling, value])
    return words


@st.composite
def plain_lines(draw):
    """Command lines that are right in every respect, and how they are meant to be read."""
    command = draw(st.sampled_from(COMMANDS))
    general = [option for option in ROOT.options if option.name != "version"]
    line = [word for words in draw(given_options(general)) for word in words]
    line += command.path
    options = draw(given_options(command.options, [o for o in command.options if o.required]))
    operands = []
    for positional in command.positionals:
        if positional.many:
            operands += draw(st.lists(PLAIN, min_size=int(positional.required), max_size=4))
        elif positional.required or draw(st.booleans()):
            operands.append(draw(PLAIN))
        else:
            break
    if command.interspersed:
        # Options go anywhere between the operands.
        places = sorted(draw(st.integers(0, len(operands))) for _ in options)
        for place, words in reversed(list(zip(places, options, strict=True))):
            operands[place:place] = words
        return line + operands
    line += [word for words in options for word in words]
    if operands:
        operands += draw(st.lists(ODD, max_size=3)) if command.positionals[-1].many else []
    return line + operands


@st.composite
def damaged_lines(draw):
    """Plain lines, with words dropped, doubled, changed, cut or put in."""
    line = draw(plain_lines())
    spellings = [s for command in ROOT.every() for o in command.options for s in o.spellings]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(line)))
        odd = draw(ODD | st.sampled_from(spellings) | PLAIN)
        how = draw(st.sampled_from(["drop", "double", "change", "cut", "put", "join", "swap"]))
        if how == "put" or at == len(line):
            line.insert(at, odd)
        elif how == "drop":
            del line[at]
        elif how == "double":
            line.insert(at, line[at])
        elif how == "change":
            line[at] = odd
        elif how == "cut":
            line[at] = line[at][: draw(st.integers(0, len(line[at])))]
        elif how == "join":
            line[at : at + 2] = [draw(st.sampled_from(["", "=", " "])).join(line[at : at + 2])]
        else:
            line[at : at + 2] = reversed(line[at : at + 2])
    return line


@settings(max_examples=examples(1200), deadline=None)
@given(line=plain_lines())
@example(line=["blob", "put"])
@example(line=["run", "start", "--agent="])
@example(line=["run", "log", "@", "--", "--seq", "x"])
@example(
    line=[
        "--lock-timeout",
        "5",
        "--color=never",
        "run",
        "list",
        "-n",
        "007",
        "--status",
        "failed",
        "--status=FAILED",
    ]
)
def test_plain_lines_are_read_and_as_typer_reads_them(ask_typer, line):
    ours = parse(line)
    assert ours is not None, "a plain line is left to Typer, which is slow"
    same(ours, ask_typer(line))


@settings(max_examples=examples(1800), deadline=None)
@given(line=damaged_lines() | st.lists(ODD | PLAIN | st.sampled_from(["run", "log", "blob"])))
@example(line=["blob put", "a"])
@example(line=["blob", "put", "--", "-z"])
@example(line=["run", "list", "-n", "٣"])
@example(line=["run", "list", "-n", "²"])
@example(line=["--lock-timeout", "²", "status"])
@example(line=["run", "list", "--status", "Failed"])
@example(line=["run", "list", "--stat=failed"])
@example(line=["run", "events", "-fh", "@"])
@example(line=["run", "list", "-n", "007", "-n", "6"])
@example(line=["-C", "/", "-C", "/", "run", "list"])
@example(line=["blob", "get", "0123", "-o", "a", "--output", "b"])
@example(line=["run", "start", "--agent", "--spec", "x"])
@example(line=["release", "promote", "name"])
@example(line=["release", "current", "--json=", "name"])
@example(line=["--version", "status"])
def test_whatever_is_read_is_read_as_typer_reads_it(ask_typer, line):
    ours = parse(line)
    if ours is not None:
        same(ours, ask_typer(line))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_list_that_is_not_given_is_empty_either_way(ask_typer, command):
    given = [(o.spellings[0], (*o.choices, "x")[0]) for o in command.options if o.required]
    required = [word for pair in given for word in pair]
    line = [*command.path, *required, *("x" for p in command.positionals if p.required)]
    for _, _, parameters in (parse(line), ask_typer(line)):  # type: ignore[misc]
        assert [parameters[p.name] for p in command.options if p.many] == [
            [] for p in command.options if p.many
        ]


def test_a_number_that_the_table_does_not_read_is_left_to_typer(ask_typer):
    line = ["run", "list", "-n", "-1"]
    assert parse(line) is None
    assert ask_typer(line)[2]["limit"] == -1


@pytest.mark.parametrize("name", [" ".join(c.path) for c in COMMANDS if len(c.path) > 1])
def test_a_name_of_two_words_is_not_one_word(name):
    assert parse([name]) is None


@pytest.mark.parametrize("command", [ROOT, *COMMANDS], ids=lambda command: command.name)
def test_an_option_given_twice_is_taken_twice_or_refused(ask_typer, command):
    needed = [w for o in command.options if o.required for w in (o.spellings[0], "x")]
    operands = ["x" for p in command.positionals if p.required]
    for option in command.options:
        if option.kind == "flag":
            continue
        value = option.choices[0] if option.choices else "1"
        twice = [option.spellings[0], value, option.spellings[-1], value]
        needed_by_others = [] if option.required else needed
        line = [*command.path, *twice, *needed_by_others, *operands]
        line += ["blob", "ls"] if command is ROOT else []
        ours, theirs = parse(line), ask_typer(line)
        if not option.many:
            assert (ours, theirs) == (None, None), line
        else:
            same(ours, theirs)
            assert ours is not None
            assert ours[2][option.name] == [value, value]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_an_option_is_no_value_unless_it_is_joined(ask_typer, command):
    given = [(o.spellings[0], (*o.choices, "x")[0]) for o in command.options if o.required]
    needed = [word for pair in given for word in pair]
    operands = ["x" for p in command.positionals if p.required]
    texts = [o for o in command.options if o.kind in {"text", "texts"} and not o.required]
    for option in texts:
        name = option.spellings[-1]
        for word in [*command.options[0].spellings[-1:], "--help", "--store=x"]:
            line = [*command.path, *needed, name, word, *operands]
            assert (parse(line), ask_typer(line)) == (None, None), line
            assert "is an option" in find_mistake(line).message, line
            joined = [*command.path, *needed, f"{name}={word}", *operands]
            same(parse(joined), ask_typer(joined))
            assert find_mistake(joined).message == ""


@settings(max_examples=examples(1500), deadline=None)
@given(line=damaged_lines() | st.lists(ODD | PLAIN | st.sampled_from(["run", "log", "blob"])))
@example(line=["run", "list", "-n5"])
@example(line=["run", "events", "-f", "@"])
@example(line=["blob", "get", "-ofile", "abcd"])
@example(line=["blob", "put", "-zz"])
def test_a_mistake_is_found_only_where_typer_refuses(ask_typer, line):
    if not {"--help", "-h", "--version"}.intersection(line) and find_mistake(line).message:
        assert ask_typer(line) is None
