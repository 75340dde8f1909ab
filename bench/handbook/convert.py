"""Writes what weir needs to run the handbook's stream: transactions.csv and the model card9.json.

    convert.py DATA_FILE DIRECTORY

The model has no opinion: its weights are 0. It is there to name the nine features, which weir then logs with
every score.
"""

import json
import math
import os
import sys

import features
import transactions


BIAS = -10.0


def write_model(path):
    sample = {"values": [0.0] * len(features.CARD9), "score": 1 / (1 + math.exp(-BIAS))}
    model = {
        "format": "weir.linear/v1",
        "name": "handbook-card9",
        "version": "1",
        "features": [{"name": name, "weight": 0.0, "mean": 0.0} for name in features.CARD9],
        "bias": BIAS,
        "link": "logistic",
        "thresholds": [{"name": "never", "score": 1.0}],
        "training": {"from": "2018-04-01", "to": "2018-10-01", "source": "none: the weights are 0"},
        "samples": [sample],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(model, file, indent=1)
        file.write("\n")


def main(data_file, directory):
    table = transactions.read(data_file)
    transactions.write_for_weir(table, os.path.join(directory, "transactions.csv"))
    write_model(os.path.join(directory, "card9.json"))
    print(len(table))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: convert.py DATA_FILE DIRECTORY")
    main(sys.argv[1], sys.argv[2])
