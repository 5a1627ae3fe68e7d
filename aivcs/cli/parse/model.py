"""The model of the command line: commands, groups of commands, and their parameters.

Commands are declared as data, in `aivcs/cli/<noun>/options.py`. The dispatch table, the Typer app,
the completion files, the man pages and the help texts are generated from this data.

It imports nothing: a mistake on the command line is answered before Typer is loaded.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH_METAVARS = {
    "FILE": "file",
    "DIR": "folder",
    "PATH": "folder",  # of --store
    "PART": "file",  # or a folder, which is on the way
    "KEY=PATH": "assignment",
}
"""Values that a shell completes from the file system, by metavar."""

_STORE_METAVARS = {
    "RUN": "run",
    "SPEC": "spec",
    "DIGEST": "digest",
    "PREFIX": "digest",
    "NAME": "release",
    "TARGET": "target",
    "SEQ": "target",
    "WHAT": "expectation",
    "KIND": "event",
    "K": "event",
}
"""Values that the store can complete, by metavar: a kind of `aivcs.commands.complete`."""


class Parameter:
    """An option or a positional argument of a command; made by `Flag`, `Option` or `Argument`.

    A value: nothing changes it.

    Attributes:
        spellings: Its spellings (`-n`, `--limit`); empty for a positional argument.
        kind: `flag`, `text`, `texts`, `integer`, `number`, or `choice`.
        metavar: The name of its value in help.
        help: A description, in sentences.
        default: Its value when it is not given.
        required: Whether it must be given.
        many: Whether it takes any number of words, or may be given any number of times.
        choices: The only values allowed, if the kind is `choice`.
        any_case: Whether a choice may be written in upper case, too.
        takes: `file`, `folder`, `assignment` (a file after `KEY=`) or `program` (a command and its
            arguments) if the value names one.
        suggestions: Values worth offering.
        asks: The kind of thing in the store that the value names; empty if none.
        name: The handler's parameter; set by the command that declares it.
    """

    __slots__ = (
        "any_case", "asks", "choices", "default", "help", "kind", "many", "metavar", "name",
        "required", "spellings", "suggestions", "takes",
    )  # fmt: skip

    def __init__(
        self,
        spellings: "tuple[str, ...]",
        kind: str,
        metavar: str,
        help: str,  # noqa: A002 the field's word
        *,
        default: "Any" = None,
        required: bool = False,
        many: bool = False,
        choices: "tuple[str, ...]" = (),
        any_case: bool = False,
        takes: str = "",
        suggestions: "tuple[str, ...]" = (),
        asks: str = "",
        name: str = "",
    ) -> None:
        """Takes the attributes."""
        self.spellings = spellings
        self.kind = kind
        self.metavar = metavar
        self.help = help
        self.default = default
        self.required = required
        self.many = many
        self.choices = choices
        self.any_case = any_case
        self.takes = takes
        self.suggestions = suggestions
        self.asks = asks
        self.name = name

    def but(self, **changes: "Any") -> "Parameter":
        """Returns the same parameter with other values of some attributes."""
        return Parameter(**({name: getattr(self, name) for name in self.__slots__} | changes))

    @property
    def summary(self) -> str:
        """The first sentence of the help, without its full stop."""
        return self.help.split(". ")[0].rstrip(".")


def Flag(*spellings: str, help: str) -> Parameter:  # noqa: A002, N802 reads as the class it makes
    """Returns an option without a value; False when it is not given."""
    return Parameter(spellings, "flag", "", help, default=False)


def Option(  # noqa: N802 reads as the class it makes
    *spellings: str,
    help: str,  # noqa: A002 the field's word
    metavar: str = "",
    kind: str = "text",
    choices: "tuple[str, ...]" = (),
    any_case: bool = False,
    many: bool = False,
    required: bool = False,
    default: "str | None" = None,
    asks: "str | None" = None,
    suggestions: "tuple[str, ...]" = (),
) -> Parameter:
    """Returns an option with a value; None, or an empty list, when it is not given.

    Args:
        spellings: Its spellings, the shortest first.
        help: A description, in sentences.
        metavar: The name of its value in help; by default the choices.
        kind: `text`, `integer` or `number`.
        choices: The only values allowed.
        any_case: Whether a choice may be written in upper case, too.
        many: Whether it may be repeated.
        required: Whether it must be given.
        default: Its value when it is not given.
        asks: The kind of thing in the store that the value names; by default as the metavar says.
        suggestions: Values worth offering.
    """
    metavar = metavar or "|".join(choices)
    if choices:
        kind = "choice"
    elif many:
        kind = "texts"
    return Parameter(
        spellings,
        kind,
        metavar,
        help,
        default=[] if many else default,
        required=required,
        many=many,
        choices=choices,
        any_case=any_case,
        takes=_PATH_METAVARS.get(metavar, ""),
        suggestions=choices or suggestions,
        asks=_STORE_METAVARS.get(metavar, "") if asks is None else asks,
    )


def Argument(  # noqa: N802 reads as the class it makes
    metavar: str,
    *,
    help: str,  # noqa: A002 the field's word
    many: bool = False,
    required: bool = True,
    default: "str | None" = None,
    asks: "str | None" = None,
    takes: "str | None" = None,
    suggestions: "tuple[str, ...]" = (),
) -> Parameter:
    """Returns a positional argument.

    Args:
        metavar: Its name in help.
        help: A description, in sentences.
        many: Whether it takes all words that are left.
        required: Whether at least one word must be given.
        default: Its value when it is not given.
        asks: The kind of thing in the store that it names; by default as the metavar says.
        takes: The kind of file it names; by default as the metavar says.
        suggestions: Values worth offering.
    """
    return Parameter(
        (),
        "texts" if many else "text",
        metavar,
        help,
        default=[] if many else default,
        required=required,
        many=many,
        takes=_PATH_METAVARS.get(metavar, "") if takes is None else takes,
        suggestions=suggestions,
        asks=_STORE_METAVARS.get(metavar, "") if asks is None else asks,
    )


HELP = Flag("-h", "--help", help="Print help.").but(name="help")
"""The option that every command has and no declaration names."""


class Command:
    """A command, or a group of commands. A value: nothing changes it.

    Attributes:
        path: Its words, as in ("run", "log"); empty for the root.
        calls: The handler, "noun.module:function" below `aivcs.cli`; empty for a group.
        help: All of its help text: paragraphs, the first sentence being the summary.
        parameters: Options and positional arguments, in order.
        interspersed: Whether options may stand after positional arguments.
        hidden: Whether only programs call it.
        children: The commands of a group.
    """

    __slots__ = ("calls", "children", "help", "hidden", "interspersed", "parameters", "path")

    def __init__(
        self,
        path: "tuple[str, ...]",
        calls: str,
        help: str,  # noqa: A002 the field's word
        parameters: "tuple[Parameter, ...]" = (),
        *,
        interspersed: bool = True,
        hidden: bool = False,
        children: "tuple[Command, ...]" = (),
    ) -> None:
        """Takes the attributes."""
        self.path = path
        self.calls = calls
        self.help = help
        self.parameters = parameters
        self.interspersed = interspersed
        self.hidden = hidden
        self.children = children

    @property
    def options(self) -> "tuple[Parameter, ...]":
        """The options, in order."""
        return tuple(p for p in self.parameters if p.spellings)

    @property
    def positionals(self) -> "tuple[Parameter, ...]":
        """The positional arguments, in order."""
        return tuple(p for p in self.parameters if not p.spellings)

    @property
    def summary(self) -> str:
        """The first sentence of the help, without its full stop."""
        return self.help.split("\n\n")[0].split(". ")[0].rstrip(".")

    @property
    def name(self) -> str:
        """The words one types: `aivcs run log`."""
        return " ".join(("aivcs", *self.path))

    def leaves(self) -> "list[Command]":
        """Returns the commands at or below this one that have a handler, in order."""
        if not self.children:
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]

    def every(self) -> "list[Command]":
        """Returns this command and all below it, groups included, in order."""
        return [self, *(below for child in self.children for below in child.every())]


def command(
    words: str,
    calls: str,
    help: str,  # noqa: A002 the field's word
    parameters: "dict[str, Parameter] | None" = None,
    *,
    interspersed: bool = True,
    hidden: bool = False,
) -> Command:
    """Declares a command.

    Args:
        words: The words after `aivcs`.
        calls: The handler, "noun.module:function" below `aivcs.cli`.
        help: Its help; where lines break is not kept, paragraphs are.
        parameters: Its parameters, by the name of the handler's parameter.
        interspersed: Whether options may stand after positional arguments.
        hidden: Whether only programs call it.
    """
    named = tuple(p.but(name=name) for name, p in (parameters or {}).items())
    path = tuple(words.split())
    return Command(path, calls, _paragraphs(help), named, interspersed=interspersed, hidden=hidden)


def group(word: str, help: str, commands: "tuple[Command, ...]") -> Command:  # noqa: A002
    """Declares a group of commands."""
    # An option of a group comes before the word that names the command.
    return Command((word,), "", help, interspersed=False, children=commands)


def _paragraphs(text: str) -> str:
    """Joins the lines of each paragraph: the terminal decides where lines break."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
