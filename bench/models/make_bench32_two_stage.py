#!/usr/bin/env python3
"""Writes bench32_two_stage.json beside itself: 32 features as bench32's, a third of which ask the terminal.

Of the terminal's 11, nine look at a past with a delay, as what is learned late must be asked for: five of those at
confirmed fraud. What decides, and the tiny weights of all others, are make_bench32's.
"""

from make_bench32 import OTHERS, write_model

CARD_WINDOWS = ["10m", "1h", "24h", "7d", "30d"]
CARD_AGGREGATES = ["count({w})", "sum(amount, {w})"]
CARD_REST = ["mean(amount, 24h)", "mean(amount, 30d)", "std(amount, 30d)"]
TERMINAL = [
    "terminal.count(24h)",
    "terminal.mean(amount, 7d)",
    "terminal.count(7d, delay 1d)",
    "terminal.sum(amount, 7d, delay 1d)",
    "terminal.mean(amount, 30d, delay 1d)",
    "terminal.count(30d, delay 7d)",
    "terminal.rate(fraud, 1d, delay 7d)",
    "terminal.rate(fraud, 7d, delay 7d)",
    "terminal.rate(fraud, 30d, delay 7d)",
    "terminal.streak(fraud, delay 7d)",
    "terminal.since(fraud, delay 7d)",
]


def main():
    card = [aggregate.format(w=window) for window in CARD_WINDOWS for aggregate in CARD_AGGREGATES] + CARD_REST + OTHERS
    write_model("bench32_two_stage", card + TERMINAL)


if __name__ == "__main__":
    main()
