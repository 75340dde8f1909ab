"""The published baselines' features, computed without weir: sorted arrays, binary search and prefix sums.

Every feature is written down once, as a row: what weir calls it, and how it is computed here. Counts and sums are
integers, so they can be held against weir's exactly; a mean is one division of integers and one by 100, and the share
of fraud one division.
"""

import numpy

from transactions import LABEL_DELAY_DAYS, US_PER_DAY

US_PER_HOUR = US_PER_DAY // 24
WINDOWS_DAYS = (1, 7, 30)


class Windows:
    """Sliding windows over each entity's own past.

    A window (t - delay - w, t - delay] at row e holds the rows of e's entity with a time in it that come no later
    than e in the table; rows of one entity and one time count in table order.
    """

    def __init__(self, table, entity):
        self.order = numpy.lexsort((numpy.arange(len(table)), table["time_us"], table[entity]))
        self.entities = table[entity].to_numpy()[self.order]
        self.times = table["time_us"].to_numpy()[self.order]
        # Entity and time in one sortable number: a gap between entities wider than any lag looked back over.
        span = int(self.times.max() - self.times.min()) + 400 * US_PER_DAY
        self.keys = self.entities.astype("int64") * span + (self.times - self.times.min())
        self.starts = numpy.searchsorted(self.entities, self.entities, side="left")
        self.edges = {}

    def _edge(self, lag_days):
        """For every row, how many rows lie before the first one later than t - lag, in sorted order."""
        if lag_days not in self.edges:
            edge = numpy.searchsorted(self.keys, self.keys - lag_days * US_PER_DAY, side="right")
            self.edges[lag_days] = numpy.maximum(edge, self.starts)
        return self.edges[lag_days]

    def total(self, values, window_days, delay_days=0):
        """The sum of integer `values` (in table order) over the window, as integers in table order."""
        sums = numpy.concatenate(([0], numpy.cumsum(values[self.order])))
        head = numpy.arange(1, len(values) + 1) if delay_days == 0 else self._edge(delay_days)
        tail = self._edge(delay_days + window_days)
        result = numpy.empty(len(values), dtype="int64")
        result[self.order] = sums[head] - sums[tail]
        return result

    def count(self, window_days, delay_days=0):
        return self.total(numpy.ones(len(self.order), dtype="int64"), window_days, delay_days)


class Stream:
    """The table with the windows of both entities, sorted once."""

    def __init__(self, table):
        self.table = table
        self.card = Windows(table, "card")
        self.terminal = Windows(table, "terminal")


def _count(days):
    return lambda stream: stream.card.count(days)


def _mean_amount(days):
    def mean(stream):
        return stream.card.total(stream.table["amount_minor"].to_numpy(), days) / stream.card.count(days) / 100

    return mean


def _terminal_count(days):
    return lambda stream: stream.terminal.count(days, LABEL_DELAY_DAYS)


def _terminal_risk(days):
    """The share of fraud in a window that ends where the labels end; 0 when nothing is in it."""

    def share(stream):
        counts = stream.terminal.count(days, LABEL_DELAY_DAYS)
        frauds = stream.terminal.total(stream.table["fraud"].to_numpy(), days, LABEL_DELAY_DAYS)
        return frauds / numpy.maximum(counts, 1)

    return share


def _weekend(stream):
    weekday = (stream.table["time_us"].to_numpy() // US_PER_DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return weekday >= 5


def _night(stream):
    return stream.table["time_us"].to_numpy() % US_PER_DAY // US_PER_HOUR <= 6


def _amount(stream):
    return stream.table["amount_minor"].to_numpy() / 100


def _rows():
    """What weir calls the feature -> how it is computed here, in the order of the published table."""
    rows = {"amount": _amount, "weekend()": _weekend, "night()": _night}
    for days in WINDOWS_DAYS:
        rows[f"count({days}d)"] = _count(days)
        rows[f"mean(amount, {days}d)"] = _mean_amount(days)
    for days in WINDOWS_DAYS:
        rows[f"terminal.count({days}d, delay {LABEL_DELAY_DAYS}d)"] = _terminal_count(days)
        rows[f"missing(terminal.rate(fraud, {days}d, delay {LABEL_DELAY_DAYS}d), 0)"] = _terminal_risk(days)
    return rows


PUBLISHED15 = _rows()

# A mean may differ in its last bits (the order of two divisions); everything else is an integer, or one division
# that both sides make alike.
RELATIVE_TOLERANCE = {name: 1e-9 if name.startswith("mean") else 0.0 for name in PUBLISHED15}


def published15(table):
    """One row a transaction, one column a feature, in the order of PUBLISHED15; float64."""
    stream = Stream(table)
    return numpy.column_stack([compute(stream) for compute in PUBLISHED15.values()]).astype("float64")


def _check_card(past, now, found):
    past = past[past["card"] == now["card"]]
    for days in WINDOWS_DAYS:
        seen = past[past["time_us"] > now["time_us"] - days * US_PER_DAY]["amount_minor"]
        assert found[f"count({days}d)"] == len(seen)
        assert abs(found[f"mean(amount, {days}d)"] - seen.mean() / 100) < 1e-9 * seen.mean()


def _check_terminal(past, now, found):
    known_until = now["time_us"] - LABEL_DELAY_DAYS * US_PER_DAY
    past = past[(past["terminal"] == now["terminal"]) & (past["time_us"] <= known_until)]
    for days in WINDOWS_DAYS:
        seen = past[past["time_us"] > known_until - days * US_PER_DAY]["fraud"]
        assert found[f"terminal.count({days}d, delay {LABEL_DELAY_DAYS}d)"] == len(seen)
        share = int(seen.sum()) / len(seen) if len(seen) else 0.0
        assert found[f"missing(terminal.rate(fraud, {days}d, delay {LABEL_DELAY_DAYS}d), 0)"] == share


def check_by_scan(table, values, sample_count=300, seed=1):
    """Holds sampled rows of published15 against the definition, read off the table with a plain filter."""
    for at in numpy.random.default_rng(seed).integers(0, len(table), sample_count):
        now, past = table.iloc[at], table.iloc[: at + 1]
        found = dict(zip(PUBLISHED15, values[at]))
        _check_card(past, now, found)
        _check_terminal(past, now, found)
