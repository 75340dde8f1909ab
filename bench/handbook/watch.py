"""Watches weir processes of one group get through a backlog, from outside.

    watch.py NAME COUNT TIMEOUT_S PORT:PID...

Waits until the scored events on their metrics pages add up to COUNT and stay the same for SETTLE_S, then prints a
line: the seconds from the first event to the last, and CPU seconds and peak memory of the processes, from /proc.
Exits 75 when the time is up first, 1 when a process is gone.
"""

import os
import sys
import time
import urllib.request

METRIC = "weir_events_scored_total"
POLL_S = 0.1
SETTLE_S = 2.0
EXIT_TEMPORARY = 75


def scored(port):
    """The counter's sum over its series; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == METRIC)


def used(pid):
    """CPU seconds (fields 14 and 15 of stat, counted from behind the name; proc(5)) and the peak of resident MiB."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        ticks = file.read().rsplit(")", 1)[1].split()[11:13]
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        peak = next(line for line in file if line.startswith("VmHWM:"))
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024


def watch(count, timeout_s, processes):
    """The seconds it took, or None when the time was up; ProcessLookupError or FileNotFoundError when one is gone."""
    deadline = time.monotonic() + timeout_s
    began = moved = None
    seen = 0.0
    while time.monotonic() < deadline:
        for _, pid in processes:
            os.kill(pid, 0)
        now, total = time.monotonic(), sum(scored(port) for port, _ in processes)
        began = now if began is None and total > 0 else began
        if total != seen:
            seen, moved = total, now
        if seen >= count and now - moved >= SETTLE_S:
            return moved - began
        time.sleep(POLL_S)
    print(f"watch: time is up at {seen:.0f} of {count}", file=sys.stderr)
    return None


def main(name, count, timeout_s, processes):
    try:
        seconds = watch(count, timeout_s, processes)
    except OSError:
        print("watch: a process is gone", file=sys.stderr)
        return 1
    if seconds is None:
        return EXIT_TEMPORARY
    resources = [used(pid) for _, pid in processes]
    cpu_s = sum(cpu for cpu, _ in resources)
    print(f"weir, {name}: {count} transactions in {seconds:.1f} s, {count / max(seconds, POLL_S):.0f} a second; "
          f"{cpu_s:.1f} CPU seconds, {cpu_s / count * 1e6:.1f} a million; "
          f"at most {' + '.join(f'{peak:.0f}' for _, peak in resources)} MiB", flush=True)
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit("usage: watch.py NAME COUNT TIMEOUT_S PORT:PID...")
    watched = [tuple(map(int, one.split(":"))) for one in sys.argv[4:]]
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), watched))
