"""Holds the features weir logged against an independent computation, and trains on weir's.

    compare.py DATA_FILE SCORES_FILE

SCORES_FILE is what `weir tail --topic scores --type score` prints, or `weir score --features`; "-" is standard
input. The last line printed is the verdict; the exit code is 1 when any feature of any transaction differs, is
missing, or was logged twice with different values.
"""

import json
import sys
import time

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import features
import protocol
import transactions

REGULARISATIONS = [0.1, 1.0, 10.0, 100.0]
DIFFERENCES_SHOWN = 10


def logged_values(score):
    """In CARD9's order, NaN for null; the service logs a list in the model's order, `weir score` names them."""
    values = score["features"]
    if isinstance(values, dict):
        values = [values[name] for name in features.CARD9]
    return numpy.array(values, dtype="float64")


def read_scores(lines, table):
    """weir's features, a row a transaction of the table (NaN where none was logged), and how many lines disagree.

    A line disagrees when it names no transaction of the table, or repeats one with other values.
    """
    row_of = {str(transaction): row for row, transaction in enumerate(table["transaction_id"])}
    logged = numpy.full((len(table), len(features.CARD9)), numpy.nan)
    seen = numpy.zeros(len(table), dtype=bool)
    strays = 0
    for line in lines:
        score = json.loads(line)
        row = row_of.get(score["transaction_id"])
        values = logged_values(score)
        if row is None or (seen[row] and not numpy.array_equal(logged[row], values, equal_nan=True)):
            strays += 1
            continue
        logged[row] = values
        seen[row] = True
    return logged, seen, strays


def differences(expected, logged):
    """A truth value a cell: where weir's feature is not the expected one. NaN differs from everything."""
    tolerance = numpy.array(list(features.RELATIVE_TOLERANCE.values()))
    with numpy.errstate(invalid="ignore"):
        return ~(numpy.abs(logged - expected) <= tolerance * numpy.abs(expected))


def show(differing, table, expected, logged):
    names = list(features.CARD9)
    for row, column in numpy.argwhere(differing)[:DIFFERENCES_SHOWN]:
        print(
            f"  transaction {table['transaction_id'][row]}: {names[column]} is {float(logged[row, column])!r}, "
            f"expected {float(expected[row, column])!r}"
        )


def logistic(regularisation):
    return lambda: make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=1000))


def choose_regularisation(table, values):
    """The strength with the best average precision on the validation splits; the test weeks are not looked at."""
    scores = {c: protocol.evaluate(table, values, logistic(c), protocol.VALIDATION) for c in REGULARISATIONS}
    return max(REGULARISATIONS, key=lambda c: scores[c].average_precision)


def report(table, logged):
    """Prints what the features are worth by the published protocol; the baseline split's metrics."""
    default = protocol.evaluate(table, logged, logistic(1.0), protocol.BASELINE)
    print(f"baseline split, scikit-learn's default C=1: {default}")
    chosen = choose_regularisation(table, logged)
    baseline = protocol.evaluate(table, logged, logistic(chosen), protocol.BASELINE)
    print(f"baseline split, C={chosen:g} chosen on the validation splits: {baseline}")
    test = protocol.evaluate(table, logged, logistic(chosen), protocol.TEST)
    print(f"mean of the four test splits, C={chosen:g}: {test}")
    return baseline


def main(data_file, scores_file):
    began = time.monotonic()
    table = transactions.read(data_file)
    expected = features.card9(table)
    features.check_by_scan(table, expected)
    lines = sys.stdin.buffer if scores_file == "-" else open(scores_file, "rb")
    with lines:
        logged, seen, strays = read_scores(lines, table)
    differing = differences(expected, logged)
    count = int(differing.sum()) + strays
    print(f"{int(seen.sum())} of {len(table)} transactions were scored; {strays} scores disagree with themselves")
    show(differing, table, expected, logged)
    # A transaction that was not scored is already counted; training needs a number.
    metrics = report(table, numpy.nan_to_num(logged))
    print(f"comparison and training took {time.monotonic() - began:.0f} s")
    print(f"handbook: card9 {metrics}; features differing {count}")
    return 1 if count else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: compare.py DATA_FILE SCORES_FILE|-")
    sys.exit(main(sys.argv[1], sys.argv[2]))
