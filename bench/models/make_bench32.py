#!/usr/bin/env python3
"""Writes bench32.json beside itself: the model of the benches. Six windows, 32 features, alerts on large amounts.

What decides is one feature, `amount >= ALERT_AMOUNT`; the others carry weights too small to change an alert, and
large enough that no multiplication is by zero. The benches' traffic puts 2 % of its amounts above the line.
"""

import json
import os

ALERT_AMOUNT = 900  # major units
WINDOWS = ["10m", "1h", "6h", "24h", "7d", "30d"]
AGGREGATES = ["count({w})", "sum(amount, {w})", "mean(amount, {w})", "std(amount, {w})"]
OTHERS = [
    "amount",
    "log1p(amount)",
    "amount / mean(amount, 30d)",
    "since_last()",
    "night()",
    "weekend()",
    "distinct(merchant, 24h)",
]
DECIDING = f"amount >= {ALERT_AMOUNT}"
TINY = 1e-9


def features():
    names = [aggregate.format(w=window) for window in WINDOWS for aggregate in AGGREGATES] + OTHERS
    rows = [{"name": name, "weight": TINY * (1 + i), "mean": 0.0} for i, name in enumerate(names)]
    return rows + [{"name": DECIDING, "weight": 20.0, "mean": 0.02}]


def main():
    model = {
        "format": "weir.linear/v1",
        "name": "bench32",
        "version": "1",
        "features": features(),
        "bias": -10.0,
        "link": "logistic",
        "thresholds": [{"name": "review", "score": 0.5}],
    }
    assert len(model["features"]) == 32
    with open(os.path.join(os.path.dirname(__file__), "bench32.json"), "w", encoding="utf-8") as file:
        json.dump(model, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
