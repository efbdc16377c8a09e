# What the scripts of all cases may call.

# eventually COMMAND...: again and again until it succeeds, for at most 20 seconds; silent until then.
eventually() {
    local end=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "not within 20 seconds: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

# says TEXT COMMAND...: whether it succeeds and prints exactly that.
says() {
    local wanted=$1 got
    shift
    got=$("$@") && [ "$got" = "$wanted" ]
}

# again SIGNAL READY...: end the engine's first daemon by a signal, start it again, and wait until READY succeeds.
again() {
    local signal=$1 pid
    pid=$(cat "$PLACE/daemon.pid")
    shift
    kill "-$signal" "$pid"
    eventually eval "! test -e /proc/$pid"
    setsid $DAEMON </dev/null >>"$PLACE/again.log" 2>&1 &
    echo $! >"$PLACE/daemon.pid"
    eventually "$@"
}

# hierarchies: how many of cgroup v1 are mounted.
hierarchies() { find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d | wc -l; }

# status COMMAND...: run it and print its exit status on a line of its own.
status() {
    local code=0
    "$@" || code=$?
    echo "status $code"
}

# tty [EXPECTED SENT]... -- COMMAND...: run it on a terminal; see terminal.py.
tty() { python3 "$CLIENTS/terminal.py" "$@"; }
