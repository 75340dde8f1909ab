"""The handbook's evaluation protocol: which transactions train, which test, and what is measured.

A split starts at day d0. Training takes the days [d0, d0 + 7); labels are 7 days late, so testing takes
[d0 + 14, d0 + 21). Whoever is known to be compromised by then is no longer of interest: a card with a fraud in the
train week, or later but early enough that its label has arrived, leaves the test.
"""

from dataclasses import dataclass

import numpy
from sklearn.metrics import average_precision_score, roc_auc_score

from transactions import LABEL_DELAY_DAYS

TRAIN_DAYS = 7
TEST_DAYS = 7
ALERTS_A_DAY = 100

BASELINE = [115]
TEST = [136, 129, 122, 115]
VALIDATION = [101, 94, 87, 80]


@dataclass
class Metrics:
    auc_roc: float
    average_precision: float
    card_precision_100: float

    def __str__(self):
        return f"auc {self.auc_roc:.3f} ap {self.average_precision:.3f} cp100 {self.card_precision_100:.3f}"

    @staticmethod
    def mean(several):
        rows = [(m.auc_roc, m.average_precision, m.card_precision_100) for m in several]
        return Metrics(*numpy.mean(rows, axis=0))


def split(table, first_day):
    """Positions in the table: the train rows, and the test rows that are left."""
    day, card, fraud = (table[name].to_numpy() for name in ("day", "card", "fraud"))
    train = numpy.flatnonzero((day >= first_day) & (day < first_day + TRAIN_DAYS))
    kept = []
    first_test_day = first_day + TRAIN_DAYS + LABEL_DELAY_DAYS
    for test_day in range(first_test_day, first_test_day + TEST_DAYS):
        labelled = (day >= first_day) & (day < test_day - LABEL_DELAY_DAYS)
        known = numpy.unique(card[labelled & (fraud == 1)])
        kept.append(numpy.flatnonzero((day == test_day) & ~numpy.isin(card, known)))
    return train, numpy.concatenate(kept)


def _ranked_days(day, card, fraud, score, top):
    """Day by day: the day's rows, their cards, which of these had a fraud, and the `top` best ranked.

    Cards rank by their highest score of the day; a card found on one day leaves the pool of the following ones.
    """
    found = numpy.empty(0, dtype=card.dtype)
    for one_day in numpy.unique(day):
        rows = numpy.flatnonzero((day == one_day) & ~numpy.isin(card, found))
        cards, group = numpy.unique(card[rows], return_inverse=True)
        highest = numpy.full(len(cards), -numpy.inf)
        numpy.maximum.at(highest, group, score[rows])
        defrauded = numpy.zeros(len(cards), dtype=bool)
        numpy.logical_or.at(defrauded, group, fraud[rows] == 1)
        ranked = numpy.argsort(-highest, kind="stable")[:top]
        hits = ranked[defrauded[ranked]]
        found = numpy.concatenate((found, cards[hits]))
        yield rows, highest[ranked], len(hits)


def card_precision(day, card, fraud, score, top=ALERTS_A_DAY):
    """Of the `top` cards ranked by their highest score of a day, the share with a fraud that day; mean over days."""
    return float(numpy.mean([hits / top for _, _, hits in _ranked_days(day, card, fraud, score, top)]))


def alerted_rows(day, card, fraud, score, top=ALERTS_A_DAY):
    """A truth value a row: it scored at least what the last of that day's `top` cards did."""
    alerted = numpy.zeros(len(score), dtype=bool)
    for rows, highest, _ in _ranked_days(day, card, fraud, score, top):
        alerted[rows] = score[rows] >= highest[-1]
    return alerted


def measure(table, rows, score):
    """The three published metrics for scores of those rows of the table."""
    day, card, fraud = (table[name].to_numpy()[rows] for name in ("day", "card", "fraud"))
    return Metrics(
        roc_auc_score(fraud, score), average_precision_score(fraud, score), card_precision(day, card, fraud, score)
    )


def scores(table, features, make_model, first_day):
    """Fits a fresh model on a split's train week; the split's test rows and their scores."""
    train, test = split(table, first_day)
    model = make_model().fit(features[train], table["fraud"].to_numpy()[train])
    return test, model.predict_proba(features[test])[:, 1]


def evaluate(table, features, make_model, first_days):
    """The mean over splits of what a fresh model of each measures on its test week."""
    return Metrics.mean([measure(table, *scores(table, features, make_model, day)) for day in first_days])
