"""Reads what weir scored: lines of `weir tail --topic ... --type score` or of `weir score`."""

import json

import numpy
import pandas

import features
import weir_model

# The features one pass logs: the published 15, then weir's own; a name that both have is one column.
LOGGED = list(dict.fromkeys([*features.PUBLISHED15, *weir_model.FEATURES]))


LINES_AT_A_TIME = 100_000


def _logged_values(score):
    """In LOGGED's order; the service logs a list in the model's order, `weir score` names them."""
    values = score["features"]
    return [values[name] for name in LOGGED] if isinstance(values, dict) else values


def _parse(lines, values_of):
    """The transaction ids and the values (NaN for missing), a row a line."""
    ids, blocks, block = [], [], []
    for line in lines:
        score = json.loads(line)
        ids.append(int(score["transaction_id"]))
        block.append(values_of(score))
        if len(block) == LINES_AT_A_TIME:
            blocks.append(numpy.array(block, dtype="float64"))
            block = []
    if block:
        blocks.append(numpy.array(block, dtype="float64"))
    return numpy.array(ids, dtype="int64"), blocks


def _read(lines, table, columns, values_of):
    """A row a transaction of the table (NaN where none was scored), which were seen, and how many lines disagree.

    A line disagrees when it names no transaction of the table, or repeats one with other values.
    """
    ids, blocks = _parse(lines, values_of)
    values = numpy.concatenate([numpy.empty((0, columns)), *blocks])
    of_table = pandas.Index(table["transaction_id"])
    rows = of_table.get_indexer(ids)
    strays = int((rows < 0).sum())
    values, rows = values[rows >= 0], rows[rows >= 0]

    first = numpy.full(len(table), -1)
    first[rows[::-1]] = numpy.arange(len(rows))[::-1]
    repeated = numpy.flatnonzero(first[rows] != numpy.arange(len(rows)))
    before = values[first[rows[repeated]]]
    same = (before == values[repeated]) | (numpy.isnan(before) & numpy.isnan(values[repeated]))
    strays += int((~same.all(axis=1)).sum())

    seen = first >= 0
    read = numpy.full((len(table), columns), numpy.nan)
    read[seen] = values[first[seen]]
    return read, seen, strays


def read_features(lines, table):
    return _read(lines, table, len(LOGGED), _logged_values)


def read_scores(lines, table):
    read, seen, strays = _read(lines, table, 1, lambda score: [score["score"]])
    return read[:, 0], seen, strays
