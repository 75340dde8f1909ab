"""Holds the features weir logged against an independent computation, and trains weir's models on weir's features.

    weir tail ... | compare.py DIRECTORY

DIRECTORY is the one convert.py filled. Written there: logged.npy (the features, as weir logged them), verdict.json
(how many features differ) and model-D.json, weir's model for each test split D. Prints the comparison.
"""

import json
import os
import sys

import numpy
import pandas

import features
import protocol
import weir_model
from scores import LOGGED, read_features

DIFFERENCES_SHOWN = 3


def differences(expected, logged):
    """A truth value a cell: where weir's feature is not the expected one. NaN differs from everything."""
    tolerance = numpy.array(list(features.RELATIVE_TOLERANCE.values()))
    with numpy.errstate(invalid="ignore"):
        return ~(numpy.abs(logged - expected) <= tolerance * numpy.abs(expected))


def show(table, expected, logged, differing):
    """A line a feature: how far weir's is from the independent one at most, and in how many rows it differs."""
    print(f"{'feature':48s} {'largest difference':>20s} {'rows that differ':>18s}")
    for column, name in enumerate(features.PUBLISHED15):
        distance = numpy.abs(logged[:, column] - expected[:, column])
        missing = int(numpy.isnan(distance).sum())
        largest = float(numpy.nanmax(distance)) if missing < len(distance) else numpy.nan
        print(f"{name:48s} {largest:20.3g} {int(differing[:, column].sum()):18d}")
        for row in numpy.flatnonzero(differing[:, column])[:DIFFERENCES_SHOWN]:
            print(
                f"    transaction {table['transaction_id'][row]}: {float(logged[row, column])!r}, "
                f"expected {float(expected[row, column])!r}"
            )


def compare(table, logged, seen, strays):
    """How many features differ in any row."""
    expected = features.published15(table)
    features.check_by_scan(table, expected)
    differing = differences(expected, logged[:, : len(features.PUBLISHED15)])
    print(f"{int(seen.sum())} of {len(table)} transactions were scored; {strays} scores disagree with themselves")
    show(table, expected, logged, differing)
    return int(differing.any(axis=0).sum())


def choose(table, values, make_logistic, strengths):
    """The strength with the best average precision on the validation splits; the test weeks are not looked at."""
    found = {c: protocol.evaluate(table, values, make_logistic(c), protocol.VALIDATION) for c in strengths}
    return max(strengths, key=lambda c: found[c].average_precision)


def train(table, values, directory):
    """Writes weir's model for every test split and says which strength the validation splits chose."""
    chosen = choose(table, values, weir_model.logistic, weir_model.REGULARISATIONS)
    validation = protocol.evaluate(table, values, weir_model.logistic(chosen), protocol.VALIDATION)
    print(f"weir's model: {values.shape[1]} features, C={chosen:g}; mean of the validation splits: {validation}")
    fraud = table["fraud"].to_numpy()
    for first_day in protocol.TEST:
        rows, _ = protocol.split(table, first_day)
        fitted = weir_model.logistic(chosen)().fit(values[rows], fraud[rows])
        path = os.path.join(directory, f"model-{first_day}.json")
        weir_model.write(path, first_day, fitted, values[rows], fraud[rows])


def main(directory):
    table = pandas.read_pickle(os.path.join(directory, "table.pkl"))
    logged, seen, strays = read_features(sys.stdin, table)
    count = compare(table, logged, seen, strays)
    numpy.save(os.path.join(directory, "logged.npy"), logged)
    with open(os.path.join(directory, "verdict.json"), "w", encoding="utf-8") as file:
        json.dump({"differing": count, "missing": int((~seen).sum()), "strays": strays}, file)
    columns = [LOGGED.index(name) for name in weir_model.FEATURES]
    # A transaction that was not scored is already counted; training needs a number.
    train(table, numpy.nan_to_num(logged[:, columns]), directory)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: compare.py DIRECTORY, with scores on standard input")
    main(sys.argv[1])
