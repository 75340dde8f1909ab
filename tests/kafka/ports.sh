# Ports for processes of tests and benches. To be sourced by bash.

# free_port: a port of the loopback on which nobody answers, below the range the kernel hands out to clients, is in
# $port, never the same twice: whom it is for may not listen yet when the next one is asked for.
next_port=$((20000 + RANDOM % 12000))
free_port() {
    while port=$((next_port++)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
}
