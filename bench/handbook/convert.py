"""Writes what weir needs to run the handbook's stream: transactions.csv, labels.csv and the model features.json.

    convert.py DATA_FILE DIRECTORY

features.json has no opinion: its weights are 0. It names the published baselines' 15 features and those of weir's own
model, so that one pass over the stream logs them all. Prints how many transactions there are.
"""

import os
import sys

import transactions
import weir_model
from scores import LOGGED


def main(data_file, directory):
    table = transactions.read(data_file)
    transactions.write_for_weir(table, os.path.join(directory, "transactions.csv"))
    transactions.write_labels_for_weir(table, os.path.join(directory, "labels.csv"))
    weir_model.write_blank(os.path.join(directory, "features.json"), LOGGED)
    table.to_pickle(os.path.join(directory, "table.pkl"))
    print(len(table))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: convert.py DATA_FILE DIRECTORY")
    main(sys.argv[1], sys.argv[2])
