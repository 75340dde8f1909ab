#!/usr/bin/env python3
"""Writes bench32.json beside itself: the model of the benches. Six windows, 32 features, alerts on large amounts.

What decides is one feature, `amount >= ALERT_AMOUNT`; the others carry weights too small to change an alert, and
large enough that no multiplication is by zero. The benches' traffic puts 2 % of its amounts above the line.
"""

import json
import math
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


def features(names):
    rows = [{"name": name, "weight": TINY * (1 + i), "mean": 0.0} for i, name in enumerate(names)]
    return rows + [{"name": DECIDING, "weight": 20.0, "mean": 0.02}]


def sample(rows, bias, amount):
    """One transaction that is its card's first, with only its amount telling; and the score it must get."""
    values = [0.0] * len(rows)
    values[[row["name"] for row in rows].index("amount")] = amount
    values[-1] = float(amount >= ALERT_AMOUNT)
    logit = bias + sum(row["weight"] * value for row, value in zip(rows, values))
    return {"values": values, "score": 1 / (1 + math.exp(-logit))}


def write_model(model_name, names):
    """Writes the model over these features, and the one that decides, beside this file."""
    rows, bias = features(names), -10.0
    model = {
        "format": "weir.linear/v1",
        "name": model_name,
        "version": "1",
        "features": rows,
        "bias": bias,
        "link": "logistic",
        "thresholds": [{"name": "review", "score": 0.5}],
        "training": {"from": "2026-01-01", "to": "2026-01-02", "source": "none: the weights are made up"},
        "samples": [sample(rows, bias, ALERT_AMOUNT - 1.0), sample(rows, bias, float(ALERT_AMOUNT))],
    }
    assert len(model["features"]) == 32
    with open(os.path.join(os.path.dirname(__file__), model_name + ".json"), "w", encoding="utf-8") as file:
        json.dump(model, file, indent=1)
        file.write("\n")


def main():
    write_model("bench32", [aggregate.format(w=window) for window in WINDOWS for aggregate in AGGREGATES] + OTHERS)


if __name__ == "__main__":
    main()
