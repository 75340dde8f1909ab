"""weir's own linear model for the handbook's stream: its features, written in weir's feature language, and its files.

Chosen on the validation splits alone (protocol.VALIDATION): which features are kept, and how strong the regularisation
is. Logistic regression on standardised columns, a fresh one for every split, trained on that split's train week.

What the features say, with a card's usual amount U = its mean over the 60 days that ended a week ago:

- is the amount large, in itself and against U;
- has this card bought unusually much within the last three or seven days;
- the terminal, as known a week ago: were its newest transactions all fraud, how many in a row, and is the compromise
  still on? One lasts 28 days and makes everything fraud. It began between the newest transaction that was not fraud,
  B seconds ago, and the first one of the row, A seconds ago: if every moment is as likely, it is still on with a
  probability of (28 d - A) / (B - A), clipped to 0 and 1.
"""

import json

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transactions import iso_day
from protocol import TRAIN_DAYS

COMPROMISE_S = 28 * 86_400
LOOK_BACK_S = 37 * 86_400  # nothing further back is asked of a terminal
THRESHOLD = 0.5
SAMPLE_COUNT = 8

_USUAL = "mean(amount, 60d, delay 7d)"
_RATIO = f"missing(amount / {_USUAL}, 1)"
_CAPPED_RATIO = f"min({_RATIO}, 6)"
_RECENT_3D = f"min(missing(prior(mean(amount, 3d)) / {_USUAL}, 1), 4)"
_RECENT_7D = f"min(missing(prior(mean(amount, 7d)) / {_USUAL}, 1), 4)"
_RECENT_MAX = f"min(missing(prior(max(amount, 7d)) / {_USUAL}, 1), 8)"

_ROW = "terminal.streak(fraud, delay 7d)"
_ROW_AGE = "terminal.streak_age(fraud, delay 7d)"
_HONEST_AGE = f"min(missing(terminal.since(not fraud, delay 7d), {LOOK_BACK_S}), {LOOK_BACK_S})"
_BEGAN_WITHIN = f"({_HONEST_AGE} - {_ROW_AGE})"
_STILL_ON = f"missing(clip(({COMPROMISE_S} - {_ROW_AGE}) / max({_BEGAN_WITHIN}, 1), 0, 1), 0)"
_LAST_AMOUNT = "missing(terminal.last(amount, delay 7d), 1000)"
# A fraud that is not large by itself: what a compromised terminal sees.
_ORDINARY_FRAUD = "fraud and amount <= 220"

FEATURES = [
    "amount",
    "amount > 220",
    f"min({_RATIO}, 8)",
    f"{_CAPPED_RATIO} * {_CAPPED_RATIO}",
    f"{_RATIO} > 2",
    f"{_RATIO} > 2.5",
    f"{_RATIO} > 3",
    f"{_RATIO} > 4",
    _RECENT_3D,
    _RECENT_7D,
    f"{_RECENT_7D} * {_CAPPED_RATIO}",
    _RECENT_MAX,
    f"{_RECENT_MAX} > 3",
    f"({_RECENT_MAX} > 3) * {_CAPPED_RATIO}",
    f"{_ROW} == 1",
    f"{_ROW} >= 3",
    f"{_ROW} >= 6",
    f"({_ROW} == 1) * {_STILL_ON}",
    f"({_ROW} == 2) * {_STILL_ON}",
    f"({_ROW} >= 3) * {_STILL_ON}",
    f"({_ROW} >= 2) * ({_STILL_ON} >= 1)",
    f"({_ROW} >= 2) * {_STILL_ON} * {_STILL_ON}",
    f"({_ROW} == 1) * ({_LAST_AMOUNT} <= 50) * {_STILL_ON}",
    f"({_ROW} == 1) * ({_LAST_AMOUNT} <= 220) * {_STILL_ON}",
    f"min(terminal.count(28d, where {_ORDINARY_FRAUD}, delay 7d), 10)",
    f"missing(terminal.rate({_ORDINARY_FRAUD}, 28d, delay 7d), 0)",
    f"missing(clip({_BEGAN_WITHIN} / 86400, 0, 10), 0)",
]

REGULARISATIONS = [0.01, 0.03, 0.1]


def logistic(regularisation):
    return lambda: make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=2000))


def _samples(fitted, values):
    """Rows over the whole range of scores, and what scikit-learn scores them: weir refuses a model it would score
    differently."""
    scores = fitted.predict_proba(values)[:, 1]
    places = numpy.linspace(0, len(scores) - 1, SAMPLE_COUNT).astype(int)
    chosen = numpy.argsort(scores, kind="stable")[places]
    return [{"values": values[at].tolist(), "score": float(scores[at])} for at in chosen]


def write(path, first_day, fitted, values, fraud):
    """A fitted pipeline as a weir.linear/v1 file; `values` and `fraud` are the rows that trained it."""
    scaler, regression = (step for _, step in fitted.steps)
    columns = zip(FEATURES, regression.coef_[0], scaler.mean_, scaler.scale_)
    model = {
        "format": "weir.linear/v1",
        "name": "handbook",
        "version": str(first_day),
        "features": [
            {"name": name, "weight": float(weight), "offset": float(mean), "scale": float(scale), "mean": float(mean)}
            for name, weight, mean, scale in columns
        ],
        "bias": float(regression.intercept_[0]),
        "link": "logistic",
        "thresholds": [{"name": "review", "score": THRESHOLD}],
        "training": {
            "from": iso_day(first_day),
            "to": iso_day(first_day + TRAIN_DAYS),
            "rows": len(fraud),
            "positives": int(fraud.sum()),
        },
        "samples": _samples(fitted, values),
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(model, file, indent=1)
        file.write("\n")


def write_blank(path, names):
    """A model without an opinion: its weights are 0. It is there to name features, which weir then logs."""
    model = {
        "format": "weir.linear/v1",
        "name": "handbook-features",
        "version": "1",
        "features": [{"name": name, "weight": 0.0, "mean": 0.0} for name in names],
        "bias": 0.0,
        "link": "logistic",
        "thresholds": [{"name": "never", "score": 1.0}],
        "training": {"from": iso_day(0), "to": iso_day(1), "source": "none: the weights are 0"},
        "samples": [{"values": [0.0] * len(names), "score": 0.5}],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(model, file, indent=1)
        file.write("\n")
