"""The published baselines' features, computed without weir: sorted arrays, binary search and prefix sums.

Every feature is written down once, as a row: what weir calls it, and how it is computed here. Counts and sums are
integers, so they can be held against weir's exactly; a mean is one division of integers and one by 100.
"""

import numpy

from transactions import US_PER_DAY

US_PER_HOUR = US_PER_DAY // 24


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

    def _edge(self, lag_us):
        """For every row, how many rows lie before the first one later than t - lag, in sorted order."""
        starts = numpy.searchsorted(self.entities, self.entities, side="left")
        edge = numpy.searchsorted(self.keys, self.keys - lag_us, side="right")
        return numpy.maximum(edge, starts)

    def total(self, values, window_days, delay_days=0):
        """The sum of integer `values` (in table order) over the window, as integers in table order."""
        sums = numpy.concatenate(([0], numpy.cumsum(values[self.order])))
        head = numpy.arange(1, len(values) + 1) if delay_days == 0 else self._edge(delay_days * US_PER_DAY)
        tail = self._edge((delay_days + window_days) * US_PER_DAY)
        result = numpy.empty(len(values), dtype="int64")
        result[self.order] = sums[head] - sums[tail]
        return result


def _count(table, windows, days):
    return windows.total(numpy.ones(len(table), dtype="int64"), days)


def _mean_amount(table, windows, days):
    return windows.total(table["amount_minor"].to_numpy(), days) / _count(table, windows, days) / 100


def _weekend(table, _windows):
    weekday = (table["time_us"].to_numpy() // US_PER_DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return weekday >= 5


def _night(table, _windows):
    return table["time_us"].to_numpy() % US_PER_DAY // US_PER_HOUR <= 6


def _amount(table, _windows):
    return table["amount_minor"].to_numpy() / 100


# What weir calls the feature -> how it is computed here. The order is the model's.
CARD9 = {
    "amount": _amount,
    "weekend()": _weekend,
    "night()": _night,
    "count(1d)": lambda table, windows: _count(table, windows, 1),
    "mean(amount, 1d)": lambda table, windows: _mean_amount(table, windows, 1),
    "count(7d)": lambda table, windows: _count(table, windows, 7),
    "mean(amount, 7d)": lambda table, windows: _mean_amount(table, windows, 7),
    "count(30d)": lambda table, windows: _count(table, windows, 30),
    "mean(amount, 30d)": lambda table, windows: _mean_amount(table, windows, 30),
}

# A mean may differ in its last bits (the order of two divisions); everything else is an integer, or one division
# that both sides make alike.
RELATIVE_TOLERANCE = {name: 1e-9 if name.startswith("mean") else 0.0 for name in CARD9}


def card9(table):
    """One row a transaction, one column a feature, in the order of CARD9; float64."""
    windows = Windows(table, "card")
    return numpy.column_stack([compute(table, windows) for compute in CARD9.values()]).astype("float64")


def check_by_scan(table, values, sample_count=300, seed=1):
    """Holds sampled rows of card9 against the definition, read off the table with a plain filter."""
    names = list(CARD9)
    for at in numpy.random.default_rng(seed).integers(0, len(table), sample_count):
        now = table.iloc[at]
        past = table.iloc[: at + 1]
        past = past[past["card"] == now["card"]]
        for days in (1, 7, 30):
            seen = past[past["time_us"] > now["time_us"] - days * US_PER_DAY]["amount_minor"]
            assert values[at, names.index(f"count({days}d)")] == len(seen)
            assert abs(values[at, names.index(f"mean(amount, {days}d)")] - seen.mean() / 100) < 1e-9 * seen.mean()
