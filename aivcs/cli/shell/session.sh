# Events of a script without a process for each: functions for bash (4.4 or later) and zsh (5.8 or
# later). They write to a pipe that one background process reads; it stores the events of all shells
# of the script, and ends when these are gone. Set up by:  eval "$(aivcs shell-init)"
#
#   aivcs_log KIND [PAYLOAD...]   hands an event of the run in $AIVCS_RUN over; the words mean what
#                                 they mean to aivcs run log
#   aivcs_flush                   returns 0 when everything handed over before is durable; fails, and
#                                 says which event, if one was refused
#   aivcs_finish [OPTION...]      flushes, then ends the run: aivcs run finish
#
# Where events may be missing, aivcs_finish adds an event `events_lost` before it ends the run. In
# another shell that has these functions by `export -f`, as below xargs, aivcs_log is aivcs run log.
#
# The end of the script flushes, too, unless it has an EXIT trap of its own; then put aivcs_flush or
# aivcs_finish there. Everything else below is named _aivcs_...; no trap is ever replaced.

# How this text was asked for; shell-init writes itself here.
_aivcs_command=(aivcs)

if [[ -n ${ZSH_VERSION-} ]]; then
    \builtin zmodload zsh/system # sysparams[pid], which is what BASHPID is in bash
fi

# A private folder, made when the first event is handed over: the pipe `in`, the number of the
# background process in `pid`, and a pipe for answers to each shell that asks. Its name is settled
# here, so that subshells find it whoever made it. A shell that was started by this one and inherited
# the variables gets a name of its own. The first shell is the one that is set up, which may be a
# subshell: $$ would be a shell that goes on. Not in XDG_RUNTIME_DIR, which a logout removes.
if [[ ${_aivcs_folder-} != */*-"$$"-* ]]; then
    _aivcs_first=${BASHPID:-${sysparams[pid]-}}
    _aivcs_folder=${TMPDIR:-/tmp}/aivcs-$EUID/$_aivcs_first-$$-$RANDOM$RANDOM$RANDOM
    # The background process is in another working directory, and the script may change its own.
    [[ $_aivcs_folder == /* ]] || _aivcs_folder=$PWD/$_aivcs_folder
    _aivcs_server=
    _aivcs_asked=0
    _aivcs_written=0
fi
\builtin printf -v _aivcs_nul '\0' # empty in bash, whose values have none

aivcs_log() {
    if [[ -z ${_aivcs_command-} ]]; then # exported: arrays are not, and maybe not what is below
        \builtin local -a _aivcs_command
        _aivcs_command=(aivcs)
        "${_aivcs_command[@]}" run log "${AIVCS_RUN:-@}" "$@"
        \builtin return "$?"
    fi
    if [[ -z ${1-} ]]; then
        _aivcs_tell 'KIND is missing or empty: aivcs_log KIND [PAYLOAD...]'
        \builtin return 2
    fi
    if [[ -z ${AIVCS_RUN-} ]]; then
        # shellcheck disable=SC2016 # it is to be typed
        _aivcs_tell 'AIVCS_RUN is not set: export AIVCS_RUN=$(aivcs run start ...)'
        \builtin return 2
    fi
    # The process is there if it has the pipe open: a number may be another's by now, and a zombie
    # still has its number.
    if [[ ! /proc/$_aivcs_server/fd/0 -ef $_aivcs_folder/in ]]; then
        _aivcs_reach || {
            _aivcs_lost=$?
            \builtin return "$_aivcs_lost"
        }
    fi
    if [[ $# -eq 2 && $2 == - ]]; then # the payload is on standard input, which is ours alone
        _aivcs_ask sync || \builtin return "$?"
        "${_aivcs_command[@]}" run log "$AIVCS_RUN" "$1" -
        \builtin return "$?"
    fi
    # Locals are named like this because a variable of the script may be read-only.
    \builtin local _aivcs_me="${BASHPID:-${sysparams[pid]-}}" \
        _aivcs_all="$AIVCS_RUN${AIVCS_STORE-}$PWD$*"
    if [[ -n $_aivcs_nul && $_aivcs_all == *"$_aivcs_nul"* ]]; then
        _aivcs_tell "event $1 was not handed over: it contains a NUL; in JSON that is \\u0000"
        \builtin return 2
    fi
    # A message must go down the pipe in one piece, or it could be mixed with those of other shells.
    # bash writes at every newline, and every 1024 bytes if its first output went to a terminal; a
    # character has four bytes at most. What could be cut goes through a file.
    if [[ ${#_aivcs_all} -le 900 && $# -le 100 && $_aivcs_all != *$'\n'* &&
        (${#_aivcs_all} -le 225 || $_aivcs_all != *[![:ascii:]]*) ]]; then
        # Opened for reading as well, the pipe never kills us for want of a reader.
        \builtin printf '\0%s' event "$_aivcs_me" "$AIVCS_RUN" "${AIVCS_STORE-}" "$PWD" "$@" \
            $'\n' 1<>"$_aivcs_folder/in" && \builtin return 0
        _aivcs_write event "$_aivcs_me" "$AIVCS_RUN" "${AIVCS_STORE-}" "$PWD" "$@"
        \builtin return "$?"
    fi
    \builtin local _aivcs_name="$_aivcs_me.$((_aivcs_written += 1)).$RANDOM"
    if ! \builtin printf '\0%s' event "$_aivcs_me" "$AIVCS_RUN" "${AIVCS_STORE-}" "$PWD" \
        "$@" '' >|"$_aivcs_folder/$_aivcs_name"; then
        _aivcs_tell "event $1 was not handed over: $_aivcs_folder cannot take it"
        _aivcs_lost=16
        \builtin return 16
    fi
    _aivcs_write file "$_aivcs_me" "$_aivcs_name" || \builtin return "$?"
    if [[ ${#_aivcs_all} -gt 65536 ]]; then # names alone do not fill the pipe and slow us down
        _aivcs_ask taken
    fi
}

aivcs_flush() {
    [[ -n ${_aivcs_command-} ]] || \builtin return 0 # exported: all that was logged is durable
    _aivcs_ask flush
}

aivcs_finish() {
    \builtin local _aivcs_code=0
    aivcs_flush || _aivcs_code=$?
    if [[ -z ${_aivcs_command-} ]]; then
        \builtin local -a _aivcs_command
        _aivcs_command=(aivcs)
    fi
    if [[ $_aivcs_code -eq 0 ]]; then
        _aivcs_code=${_aivcs_lost:-0}
    fi
    if [[ $_aivcs_code -ne 0 ]]; then # nobody is to take the run for whole
        "${_aivcs_command[@]}" run log "${AIVCS_RUN:-@}" events_lost exit_code:="$_aivcs_code" \
            reason='events that were handed to aivcs_log may be missing or were refused' || :
    fi
    "${_aivcs_command[@]}" run finish "$@" "${AIVCS_RUN:-@}" || \builtin return "$?"
    \builtin return "$_aivcs_code"
}

_aivcs_tell() {
    \builtin printf 'aivcs: %s\n' "$1" >&2
}

# Writes a message, also where a signal that has a trap interrupts a write that waits: then nothing
# was written.
_aivcs_write() {
    \builtin local _aivcs_tries
    for _aivcs_tries in 1 2 3 4 5; do
        \builtin printf '\0%s' "$@" $'\n' 1<>"$_aivcs_folder/in" && \builtin return "$?"
        _aivcs_is_there || \builtin break
    done
    _aivcs_tell "the event was not handed over (tried $_aivcs_tries times)"
    _aivcs_lost=16
    \builtin return 16
}

# Whether the background process is there.
_aivcs_is_there() {
    if [[ -d /proc/self/fd ]]; then
        [[ /proc/$_aivcs_server/fd/0 -ef $_aivcs_folder/in ]]
    else
        [[ -n $_aivcs_server ]] && \builtin kill -0 "$_aivcs_server" 2>/dev/null
    fi
}

# Finds the background process, or starts it; fails for ever if it has died.
_aivcs_reach() {
    if [[ -n $_aivcs_server && ! -e $_aivcs_folder ]] &&
        ! \builtin kill -0 "$_aivcs_first" 2>/dev/null; then
        _aivcs_server= # it ended with the script's first shell, which we have outlived
    fi
    if [[ -z $_aivcs_server ]]; then
        if [[ ! -s $_aivcs_folder/pid ]]; then
            "${_aivcs_command[@]}" shell-session "$_aivcs_folder" "$_aivcs_first" \
                "${BASHPID:-${sysparams[pid]-}}" "${AIVCS_RUN-}" </dev/null ||
                \builtin return "$?"
        fi
        IFS= \builtin read -r _aivcs_server <"$_aivcs_folder/pid" || _aivcs_server=-
    fi
    _aivcs_is_there && \builtin return "$?"
    _aivcs_tell 'the background process of aivcs_log has died; events handed over since the last aivcs_flush may be missing from: aivcs run events'
    \builtin return 17
}

# Asks for something and waits for the answer: `flush`; `sync`, which is the same but leaves refusals
# untold; `taken`, which only waits until everything was read.
_aivcs_ask() {
    if [[ -z $_aivcs_server && ! -e $_aivcs_folder ]]; then
        \builtin return 0 # nothing was handed over
    fi
    _aivcs_is_there || _aivcs_reach || \builtin return "$?"
    \builtin local _aivcs_me="${BASHPID:-${sysparams[pid]-}}" _aivcs_answer='' _aivcs_part _aivcs_code
    \builtin local _aivcs_answers="$_aivcs_folder/answers.$_aivcs_me"
    if [[ ! -p $_aivcs_answers ]] && ! \builtin command mkfifo -m 600 "$_aivcs_answers"; then
        \builtin return 16
    fi
    \builtin local _aivcs_number="$((_aivcs_asked += 1))"
    {
        _aivcs_write "$1" "$_aivcs_me" "$_aivcs_number" || \builtin return "$?"
        # An answer to something asked before and given up is passed over.
        while [[ ${_aivcs_answer%% *} != "$_aivcs_number" ]]; do
            _aivcs_answer=
            # The time may be up in the middle of an answer, whose rest comes next.
            until IFS= \builtin read -r -d '' -t 1 _aivcs_part; do
                _aivcs_answer+=$_aivcs_part
                if ! _aivcs_is_there; then
                    _aivcs_reach
                    \builtin return "$?"
                fi
            done
            _aivcs_answer+=$_aivcs_part
        done
    } 0<>"$_aivcs_answers" || \builtin return "$?"
    _aivcs_answer=${_aivcs_answer#* }
    _aivcs_code=${_aivcs_answer%% *}
    if [[ -n ${_aivcs_answer#* } ]]; then
        \builtin printf '%s\n' "${_aivcs_answer#* }" >&2
    fi
    \builtin return "$_aivcs_code"
}

# At the end of the script: its exit code, unless that is 0 and the flush fails.
_aivcs_exit() {
    \builtin local _aivcs_code=0
    aivcs_flush || _aivcs_code=$?
    if [[ $1 -eq 0 && $_aivcs_code -ne 0 ]]; then
        \builtin exit "$_aivcs_code"
    fi
}

if [[ -n ${ZSH_VERSION-} ]]; then
    _aivcs_zshexit() { _aivcs_exit "$?"; }
    if [[ " ${zshexit_functions[*]-} " != *' _aivcs_zshexit '* ]]; then
        zshexit_functions+=(_aivcs_zshexit)
    fi
elif [[ -z $(\builtin trap -p EXIT) ]]; then
    \builtin trap '_aivcs_exit "$?"' EXIT
fi
