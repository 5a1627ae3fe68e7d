"""`aivcs shell-init`: events of a script through one background process, in real shells."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from shell.conftest import COMMANDS

NASTY = [
    "", "-", "--", "-n", "-e x", "=", "a=b", ":=1", "\\", "\\n", "\\0", "\\x41", "%s%d", "'", '"',
    "`id`", "$(id)", "$HOME", "${x}", "*", "?", "[a-z]", "~", "!", "!!", "#", "a b  c", " ", "\t",
    "\n", "a\nb", "end\n", "end\n\n", "\r\n", "\x01", "\x02\x03", "\x1b[31m", "\x7f", "\x85",
    "\u2028", "\ufeff", "ü", "日本語", "🙂", "\u0301", "x" * 5000, "ü" * 5000, "\n" * 3000,
]  # fmt: skip
SIZES = ["x" * n for n in range(700, 960, 13)] + ["🙂" * n for n in range(50, 250, 23)]
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
LOG_ALL = 'for text in "$@"; do aivcs_log said text="$text" || exit 98; done; aivcs_flush'


class TestValues:
    def test_texts_arrive_exactly(self, script):
        script(LOG_ALL, *NASTY, *SIZES)
        assert script.events == [("said", {"text": text}) for text in NASTY + SIZES]

    @settings(
        max_examples=8,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(texts=st.lists(TEXTS, min_size=1, max_size=40))
    def test_any_text_arrives_exactly(self, script, texts):
        before = len(script.events)
        script(LOG_ALL, *texts)
        assert script.texts[before:] == texts

    def test_words_mean_what_they_mean_to_run_log(self, script):
        payloads = [
            [], ["{}"], ["null"], ["-5"], ['"x"'], ['[1,2,{"a":null}]'], ["a=1", "b:=2", "c="],
            ["a=x=y", "b:=[1]"], ['{"n": 1e2, "m": 12345678901234567890}'],
        ]  # fmt: skip
        for words in payloads:
            script.aivcs.ok("run", "log", script.run, "kind", *words)
        by_command = script.events
        script("".join(f"aivcs_log kind {shlex.join(words)}\n" for words in payloads))
        assert script.events == by_command * 2

    def test_what_run_log_refuses_is_refused_alike(self, script):
        payloads = [
            ["x"], ["a:=x"], ["a=1", "a=2"], ["a=1", "x"], ["{"], ["NaN"], [""], ["a", "b"],
            ["a=\udcff"], ['"\udce9"'], ["1e999"], ['"\\ud800"'],
        ]  # fmt: skip
        text, wanted, complaints = "", "", ""
        for number, words in enumerate(payloads, start=1):
            refused = script.aivcs("run", "log", script.run, "kind", *words)
            text += f"aivcs_log kind {shlex.join(words)}; aivcs_flush; echo $?\n"
            wanted += f"{refused.code}\n"
            complaints += f"aivcs: event {number} (kind) was refused: {refused.complaint}\n"
        assert script(text) == (wanted, complaints)
        assert script.events == []

    def test_a_payload_on_standard_input_keeps_its_place(self, script):
        script("aivcs_log a; echo '{\"x\": 1}' | aivcs_log b -; aivcs_log c; aivcs_flush")
        assert script.events == [("a", {}), ("b", {"x": 1}), ("c", {})]

    def test_a_kind_is_needed_and_is_no_option(self, script):
        _, err = script("aivcs_log; echo $?; aivcs_log ''; echo $?; aivcs_log --seq 5", code=2)
        assert err.count("KIND is missing or empty") == 2
        assert "KIND '--seq' looks like an option" in err
        assert script.events == []

    def test_zsh_cannot_hand_over_a_nul(self, script):
        if script.shell == "bash":
            pytest.skip("bash has no NULs in its variables")
        _, err = script("aivcs_log kind $'text=a\\0b'", code=2)
        assert "contains a NUL" in err

    def test_messages_are_whole_where_output_is_a_terminal(self, script):
        """bash then writes 1024 bytes at once, instead of 4096."""
        leader, terminal = pty.openpty()
        text = (
            "echo hello\nfor job in 1 2 3 4; do\n"
            "  for size in {500..900..10}; do\n"
            '    aivcs_log x job:=$job text="${(l:$size::x:)}"; done &\n'
            "done; wait; aivcs_flush"
        )
        if script.shell == "bash":
            text = text.replace('"${(l:$size::x:)}"', '"$(printf %${size}s)"')
        try:
            script(text, stdout=terminal)
        finally:
            os.close(terminal)
            os.close(leader)
        found = sorted((p["job"], len(p["text"])) for _, p in script.events)
        assert found == [(job, size) for job in (1, 2, 3, 4) for size in range(500, 901, 10)]


OPTIONS = {
    "bash": [
        "set -euo pipefail", "set -u; IFS=0123456789", "IFS=", "IFS=$'\\n'", "set -o posix",
        "set -C", "set -f", "shopt -s nullglob", "shopt -s failglob dotglob",
        "shopt -s nocasematch",
        "shopt -s extglob", "export LC_ALL=C", "LC_ALL=C", "set -a",
        "set -eE; trap 'exit 97' ERR",
        "set -m", "set +h", "shopt -s lastpipe inherit_errexit", "exec <&-", "umask 777",
        "shopt -s expand_aliases; alias printf=false local=false return=false builtin=false",
        "printf() { exit 97; }; read() { exit 97; }; kill() { exit 97; }; mkfifo() { exit 97; }",
        "aivcs() { command aivcs \"$@\"; }; trap() { exit 97; }; local() { exit 97; }",
        "RANDOM=1", "readonly answer=1 me=2 all=3 name=4 code=5",
    ],
    "zsh": [
        "set -euo pipefail", "IFS=0123456789", "IFS=", "setopt ksh_arrays sh_word_split",
        "setopt glob_subst null_glob", "setopt csh_null_glob", "setopt err_exit err_return",
        "setopt warn_create_global 2>/dev/null", "setopt no_multibyte", "setopt no_clobber",
        "setopt rc_expand_param", "setopt extended_glob", "setopt posix_builtins",
        "setopt all_export",
        "emulate sh", "emulate ksh", "export LC_ALL=C", "setopt no_unset", "setopt multios",
        "alias printf=false local=false return=false builtin=false", "exec <&-",
        "printf() { exit 97; }; read() { exit 97; }; kill() { exit 97; }; mkfifo() { exit 97; }",
        "setopt csh_junkie_quotes", "setopt no_bare_glob_qual", "setopt typeset_silent",
        "setopt local_options local_traps", "setopt no_bg_nice monitor",
    ],
}  # fmt: skip


def test_options_of_the_shell_change_nothing(script):
    """Each in a script of its own, set before the functions are, so that it holds for all."""
    values = ["plain", "a\nb", "ü" * 300, "x" * 70_000]
    for option in OPTIONS[script.shell]:
        script.run = script.aivcs.begin()
        script(
            "aivcs_log k text=plain; aivcs_log k text=$'a\\nb'; aivcs_log k text=\"$U\"\n"
            'aivcs_log k "text=$X"; aivcs_flush',
            before=option,
            env={"AIVCS_RUN": script.run, "U": values[2], "X": values[3]},
        )
        assert (option, script.texts) == (option, values)


class TestWriters:
    def test_subshells_jobs_and_pipelines_share_one_process(self, script):
        out, _ = script(
            "aivcs_log a; (aivcs_log b); { aivcs_log c; } | cat; aivcs_log d & wait\n"
            "x=$(aivcs_log e); aivcs_flush; echo $_aivcs_server"
        )
        assert sorted(script.events) == [(kind, {}) for kind in "abcde"]
        assert len(out.split()) == 1

    def test_jobs_that_come_first_share_one_process(self, script):
        out, _ = script(
            "for i in 1 2 3 4; do { aivcs_log k i:=$i; aivcs_flush; echo $_aivcs_server; } & done\n"
            "wait; aivcs_flush; echo $_aivcs_server"
        )
        assert len(out.split()) == 5
        assert len(set(out.split())) == 1
        assert sorted(p["i"] for _, p in script.events) == [1, 2, 3, 4]

    def test_large_messages_of_parallel_writers_are_not_mixed(self, script):
        script(
            "big=$(printf '%04000d\\n%04000d.' 1 2)\naivcs_log start\n"
            "for job in 1 2 3 4; do\n  for n in {1..30}; do\n"
            '    aivcs_log k job:=$job n:=$n text="$job$n"\n'
            '    aivcs_log k job:=$job n:=$n text="$big$job"\n'
            "  done &\ndone\nwait; aivcs_flush"
        )
        events = [payload for _, payload in script.events[1:]]
        big = f"{1:04000}\n{2:04000}."
        for job in range(1, 5):
            own = [(p["n"], p["text"]) for p in events if p["job"] == job]
            wanted = [(n, text) for n in range(1, 31) for text in (f"{job}{n}", f"{big}{job}")]
            assert own == wanted
        assert len(events) == 240

    def test_wait_and_the_list_of_jobs_know_nothing_of_it(self, script):
        out, _ = script(
            "aivcs_log a; sleep 0 & wait; jobs; aivcs_log b; wait; aivcs_flush; echo end"
        )
        assert out.splitlines()[-1] == "end"
        assert script.events == [("a", {}), ("b", {})]

    def test_a_job_may_outlive_the_script(self, script):
        script(
            "aivcs_log a\n(sleep 1; aivcs_log b; aivcs_flush && : >flushed) >/dev/null 2>&1 &\n"
            "exit 0"
        )
        wait_for((script.aivcs.folder / "flushed").exists)
        assert script.events == [("a", {}), ("b", {})]

    def test_a_signal_in_a_write_that_waits_costs_nothing(self, script):
        script(
            "trap 'n=$((n + 1))' USR1; n=0\naivcs_log first text=first\n"
            "kill -STOP $_aivcs_server\n"
            "{ for i in 1 2 3 4 5; do sleep .2; kill -USR1 $$; done\n"
            "  kill -CONT $_aivcs_server; } &\n"
            "x=$(printf %0800d 0)\n"
            "for ((i = 0; i < 2000; i++)); do aivcs_log k text=$i.$x || exit 98; done\n"
            "wait; wait; aivcs_flush"
        )
        assert script.texts == ["first", *(f"{i}.{0:0800}" for i in range(2000))]

    @pytest.mark.parametrize("names", ["aivcs_log", "$(compgen -A function)"])
    def test_exported_functions_log_without_the_process(self, script, names):
        if script.shell == "zsh":
            pytest.skip("zsh exports no functions")
        out, err = script(
            f"set -a; aivcs_log first; aivcs_flush; export -f {names}; set +a\n"
            "printf '%s\\n' 1 2 3 | xargs -P 2 -n 1 bash -uc 'aivcs_log k i:=$0 && echo $?'\n"
            "bash -c 'aivcs_log k x'; echo $?"
        )
        assert out.split() == ["0", "0", "0", "2"]
        assert "PAYLOAD is not JSON" in err
        assert "not found" not in err
        assert sorted(p.get("i", 0) for _, p in script.events) == [0, 1, 2, 3]


class TestRefusals:
    def test_the_others_are_stored_and_flush_says_which_was_not(self, script):
        out, err = script(
            "aivcs_log a; aivcs_log b x; aivcs_log c; aivcs_flush; echo $?; aivcs_flush; echo $?"
        )
        assert script.events == [("a", {}), ("c", {})]
        assert out.split() == ["2", "0"]
        assert re.fullmatch(r"aivcs: event 2 \(b\) was refused: PAYLOAD is not JSON: .*\n", err)

    def test_the_shell_that_caused_it_is_told(self, script):
        out, err = script(
            "aivcs_log a\n"
            "{ aivcs_log bad x; aivcs_flush; echo bad $?; } &\nwait\n"
            "{ aivcs_log good; aivcs_flush; echo good $?; } &\nwait\n"
            "aivcs_flush; echo main $?"
        )
        assert out.splitlines() == ["bad 2", "good 0", "main 0"]
        assert err.count("refused") == 1

    def test_what_a_subshell_did_not_ask_for_the_first_shell_is_told(self, script):
        _, err = script(
            "aivcs_log a; (aivcs_log bad x); (aivcs_flush) || exit 9; aivcs_flush", code=2
        )
        assert err.count("event 2 (bad) was refused") == 1

    def test_both_are_told_if_the_first_shell_asks_first(self, script):
        out, err = script(
            "aivcs_log a\n"
            "{ aivcs_log bad x; : >handed; until [[ -e asked ]]; do sleep .02; done\n"
            "  aivcs_flush; echo job $?; } &\n"
            "until [[ -e handed ]]; do sleep .02; done; aivcs_flush; echo main $?; : >asked\n"
            "wait; aivcs_flush; echo main $?"
        )
        assert out.splitlines() == ["main 2", "job 2", "main 0"]
        assert err.count("event 2 (bad) was refused") == 2

    def test_many_are_counted(self, script):
        _, err = script("for i in {1..25}; do aivcs_log bad x; done; aivcs_flush", code=2)
        lines = err.splitlines()
        assert lines[-1] == f"aivcs: and {25 - len(lines) + 1} more refused"
        assert lines[0].startswith("aivcs: event 1 (bad) was refused")

    def test_control_characters_are_escaped(self, script):
        _, err = script("aivcs_log $'a\\x1bb\\nc'; aivcs_flush", code=2)
        assert "\x1b" not in err
        assert err.count("\n") == 1

    def test_a_finished_run_takes_nothing(self, script):
        _, err = script(
            "aivcs_log a; aivcs_flush; aivcs run finish @; aivcs_log b; aivcs_flush", code=15
        )
        assert "event 2 (b) was refused" in err
        assert "a finished run is sealed" in err

    def test_an_unknown_run_is_said_at_once(self, script):
        out, err = script("AIVCS_RUN=12345678; aivcs_log a; echo $?", code=0)
        assert out == "12\n"
        assert "no run" in err
        out, err = script("unset AIVCS_RUN; aivcs_log a; echo $?")
        assert out == "2\n"
        assert "AIVCS_RUN is not set" in err

    def test_no_repository_is_said_at_once(self, script, tmp_path):
        _, err = script(f"cd '{tmp_path}'; aivcs_log a", code=10)
        assert "aivcs init" in err


class TestEnd:
    def test_of_a_script_without_a_trap_flushes(self, script):
        script("aivcs_log a; aivcs_log b")
        assert script.events == [("a", {}), ("b", {})]

    def test_fails_if_an_event_was_refused(self, script):
        _, err = script("aivcs_log a x", code=2)
        assert "event 1 (a) was refused" in err

    def test_keeps_the_exit_code_of_a_script_that_failed(self, script):
        script("aivcs_log a; exit 3", code=3)
        script("aivcs_log a x; exit 3", code=3)
        assert script.events == [("a", {})]

    def test_of_a_script_that_logged_nothing_is_as_ever(self, script):
        assert script("exit 0") == ("", "")
        assert script("aivcs_flush") == ("", "")
        script("false", code=1)

    @pytest.mark.parametrize("first", [True, False])
    def test_leaves_a_trap_of_the_users_alone(self, script, first):
        trap = "trap 'aivcs_flush; echo mine $?' EXIT"
        before, then = (trap, ":") if first else ("", trap)
        out, err = script(f"{then}; aivcs_log a x; exit 5", before=before, code=5)
        assert out == "mine 2\n"
        assert err.count("refused") == 1

    def test_is_found_by_who_was_killed(self, script):
        process = script.start("sleep 300 >/dev/null 2>&1 & aivcs_log a; aivcs_log b; kill -9 $$")
        process.communicate(timeout=60)
        assert process.returncode == -9
        script.require_no_leftovers()
        assert script.events == [("a", {}), ("b", {})]

    def test_finish_waits_for_every_event(self, script):
        script(
            "trap 'aivcs_finish --exit-code $?' EXIT\n"
            "for i in {1..300}; do aivcs_log k i:=$i; done; exit 4",
            code=4,
        )
        record = script.aivcs.record(script.run)
        assert record["status"] == "FAILED"
        assert record["summary"]["total_events"] == 300
        assert record["summary"]["exit_code"] == 4

    def test_finish_ends_the_run_though_an_event_was_refused(self, script):
        out, _ = script("aivcs_log a; aivcs_log b x; aivcs_finish; echo $?")
        assert out == "2\n"
        assert script.aivcs.record(script.run)["status"] == "COMPLETED"


class TestGaps:
    """A run is not ended as if it were whole where events may be missing."""

    def test_of_a_folder_that_somebody_removes_are_recorded(self, script):
        _, err = script(
            "aivcs_log a; aivcs_flush; aivcs_log b; rm -r $_aivcs_folder\n"
            "aivcs_log c; aivcs_finish",
            code=17,
        )
        assert "may be missing" in err
        kinds = [kind for kind, _ in script.events]
        assert sorted(kinds) in (["a", "b", "events_lost"], ["a", "events_lost"])
        assert dict(script.events)["events_lost"]["exit_code"] == 17
        assert script.aivcs.record(script.run)["status"] == "COMPLETED"

    def test_of_refused_events_are_recorded(self, script):
        script("aivcs_log a; aivcs_log b x; aivcs_finish", code=2)
        assert [kind for kind, _ in script.events] == ["a", "events_lost"]
        assert script.events[1][1]["exit_code"] == 2

    def test_of_events_that_found_no_process_are_recorded(self, script):
        text = f"aivcs_log a || :; export AIVCS_RUN={script.run}; aivcs_finish"
        script(text, code=12, env={"AIVCS_RUN": "0" * 32})
        assert script.events[0][0] == "events_lost"
        assert script.events[0][1]["exit_code"] == 12

    def test_there_are_none_where_the_caller_ignores_the_end_of_children(self, script):
        def ignore():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        script("aivcs_log a; aivcs_finish", preexec_fn=ignore)
        assert script.events == [("a", {})]

    def test_the_pipe_is_not_where_a_logout_removes_it(self, script, tmp_path):
        runtime = tmp_path / "runtime"
        runtime.mkdir(mode=0o700)
        out, _ = script(
            "aivcs_log a; aivcs_flush; echo $_aivcs_folder", env={"XDG_RUNTIME_DIR": str(runtime)}
        )
        assert out.startswith(str(script.temporary))
        assert not any(runtime.iterdir())


class TestProcess:
    def test_of_a_subshell_that_is_set_up_ends_with_it(self, script):
        """Not with the script, which may do a thousand tasks like that."""
        set_up = 'eval "$(aivcs shell-init)"'
        text = (
            f"for i in 1 2; do ({set_up}; aivcs_log k i:=$i; aivcs_flush); done\n"
            f"({set_up}; aivcs_log end; aivcs_finish)\necho; sleep 300"
        )
        process = subprocess.Popen(
            [*COMMANDS[script.shell], "-c", text],
            cwd=script.aivcs.folder, env=script.environment, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            process.stdout.readline()
            script.require_no_leftovers()
        finally:
            os.killpg(process.pid, 9)
            process.communicate()
        assert script.events == [("k", {"i": 1}), ("k", {"i": 2}), ("end", {})]
        assert script.aivcs.record(script.run)["status"] == "COMPLETED"

    def test_is_one_and_ends_with_the_script(self, script):
        """Server and keeper; that they end, every test here checks."""
        process = script.start("aivcs_log a; aivcs_flush; echo; sleep 300", start_new_session=True)
        process.stdout.readline()
        try:
            assert len(script.processes()) == 2
        finally:
            os.killpg(process.pid, 9)
            process.communicate()

    def test_keeps_nothing_of_the_script_open(self, script):
        out, _ = script(
            "exec 9>other; aivcs_log a; aivcs_flush\nfor i in /proc/$_aivcs_server/fd/*; do\n"
            "  readlink $i; done; readlink /proc/$_aivcs_server/cwd"
        )
        assert str(script.aivcs.folder) not in out

    @pytest.mark.parametrize("is_zombie", [False, True])
    def test_that_was_killed_is_missed_at_the_next_call(self, script, is_zombie):
        keeper = "keeper=$(awk '{print $4}' /proc/$_aivcs_server/stat)"
        stop, go = ("kill -STOP $keeper", "kill -CONT $keeper") if is_zombie else (":", ":")
        out, err = script(
            f"aivcs_log a; aivcs_flush; {keeper}; {stop}; sleep .2\n"
            "kill -9 $_aivcs_server; sleep .3\n"
            f"kill -0 $_aivcs_server 2>/dev/null; echo $?\n"
            f"aivcs_log b; echo $?; aivcs_flush; echo $?; (aivcs_log c; echo $?); {go}",
            code=17,
        )
        assert out.split() == ["0" if is_zombie else "1", "17", "17", "17"]
        assert err.count("has died") == 4
        assert script.events == [("a", {})]

    def test_that_is_killed_fails_the_flush_that_waits_for_it(self, script):
        out, _ = script(
            "aivcs_log a; kill -STOP $_aivcs_server\n"
            "{ sleep .3; kill -9 $_aivcs_server; } & aivcs_flush; echo $?",
            code=17,
        )
        assert out == "17\n"

    def test_that_is_killed_lets_go_of_who_waits_at_a_full_pipe(self, script):
        out, _ = script(
            "aivcs_log a; kill -STOP $_aivcs_server\n"
            "{ sleep 1; kill -9 $_aivcs_server; } &\nx=$(printf %0800d 0)\n"
            "for ((i = 0; i < 100000; i++)); do aivcs_log k text=$x || { echo $?; break; }; done",
            code=17,
        )
        assert out == "17\n"

    def test_that_is_told_to_end_stores_what_it_was_given(self, script):
        out, _ = script(
            "aivcs_log a; aivcs_log b; kill $_aivcs_server; sleep .5; aivcs_log c; echo $?", code=17
        )
        assert out == "17\n"
        assert script.events == [("a", {}), ("b", {})]

    def test_can_be_had_anew(self, script):
        script(
            "aivcs_log a; aivcs_flush; kill -9 $_aivcs_server; sleep .3; aivcs_log b && exit 9\n"
            'unset _aivcs_folder; eval "$(aivcs shell-init)"; aivcs_log c; aivcs_flush'
        )
        assert script.events == [("a", {}), ("c", {})]

    def test_stores_soon_what_nobody_flushes(self, script):
        process = script.start("aivcs_log a; sleep 300", start_new_session=True)
        try:
            wait_for(lambda: script.events == [("a", {})])
        finally:
            os.killpg(process.pid, 9)
            process.communicate()

    def test_uses_a_private_folder_only(self, script):
        shared = script.temporary / f"aivcs-{os.geteuid()}"
        shared.mkdir()
        shared.chmod(0o777)
        _, err = script("aivcs_log a", code=16)
        assert "is not a private folder of yours" in err
        shared.rmdir()

    def test_says_at_once_that_there_is_no_folder_for_its_own(self, script):
        missing = {"TMPDIR": str(script.temporary / "missing"), "XDG_RUNTIME_DIR": ""}
        _, err = script("aivcs_log a", code=16, env=missing)
        assert "set TMPDIR" in err

    def test_is_found_in_a_relative_folder_wherever_the_script_goes(self, script):
        out, _ = script(
            "aivcs_log a; aivcs_flush; echo $?; mkdir sub; cd sub\n"
            "aivcs_log b; aivcs_flush; echo $?",
            before="set -u",
            env={"TMPDIR": os.path.relpath(script.temporary, script.aivcs.folder)},
        )
        assert out == "0\n0\n"
        assert script.events == [("a", {}), ("b", {})]

    def test_removes_what_a_killed_one_left(self, script):
        left = (
            script.temporary / f"aivcs-{os.geteuid()}" / "4194304-1"
        )  # no process has this number
        left.mkdir(parents=True)
        left.parent.chmod(0o700)
        (left / "pid").write_text("4194305\n")
        script("aivcs_log a")
        script.require_no_leftovers()


class TestRuns:
    def test_each_event_goes_to_the_run_of_its_moment(self, script):
        other = script.aivcs.begin()
        script(
            f"aivcs_log a; (AIVCS_RUN={other}; aivcs_log b); AIVCS_RUN={other} aivcs_log c\n"
            "aivcs_log d; aivcs_flush"
        )
        assert script.events == [("a", {}), ("d", {})]
        script.run = other
        assert script.events == [("b", {}), ("c", {})]

    def test_each_event_goes_to_the_store_of_its_place(self, script, tmp_path):
        there = tmp_path / "there"
        out, _ = script(
            f"aivcs_log a; aivcs init '{there}' >there; cd '{there}'\n"
            "AIVCS_RUN=$(aivcs run start --agent a --spec $(printf x | aivcs blob put -))\n"
            "aivcs_log b; aivcs_flush; aivcs run events $AIVCS_RUN --json; cd /\n"
            f"AIVCS_STORE='{there}/.aivcs'; aivcs_log c; aivcs_flush\n"
            f"aivcs --store $AIVCS_STORE run events $AIVCS_RUN --json"
        )
        assert [json.loads(line)["kind"] for line in out.splitlines()] == ["b", "b", "c"]
        assert script.events == [("a", {})]

    @pytest.mark.parametrize("option", ["--store .aivcs", "-C ."])
    def test_options_of_shell_init_hold(self, script, option):
        script(f'eval "$(aivcs {option} shell-init zsh)"; cd /; aivcs_log a; aivcs_finish')
        assert script.events == [("a", {})]
        assert script.aivcs.record(script.run)["status"] == "COMPLETED"


def test_the_shell_must_be_one_of_two(aivcs):
    assert aivcs.ok("shell-init", "bash").out == aivcs.ok("shell-init").out
    assert "for bash and zsh" in aivcs("shell-init", "fish", code=2).complaint


def wait_for(condition, seconds=20):
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
