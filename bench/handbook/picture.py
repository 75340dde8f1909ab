"""The handbook's picture: precision against recall, and card precision@k over k, means of the four test splits."""

import matplotlib
import numpy
from sklearn.metrics import precision_recall_curve

import protocol
import published

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402  (the backend is chosen first)

RECALLS = numpy.linspace(0, 1, 201)
ALERTS_A_DAY = [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 140, 160, 180, 200]
COLOURS = ["#8a8f98", "#0b6e99"]
BEST_PUBLISHED = max(published.TEST_ROWS, key=lambda row: row[2])


def _precisions(table, splits):
    """The mean over splits of the best precision at each recall or more."""
    curves = []
    for rows, score in splits:
        precision, recall, _ = precision_recall_curve(table["fraud"].to_numpy()[rows], score)
        # recall falls along the arrays; at each wanted recall the best precision of those that reach it
        best = numpy.maximum.accumulate(precision)
        curves.append(best[numpy.searchsorted(-recall, -RECALLS, side="right") - 1])
    return numpy.mean(curves, axis=0)


def _card_precisions(table, splits, top):
    columns = ("day", "card", "fraud")
    return numpy.mean([
        protocol.card_precision(*(table[name].to_numpy()[rows] for name in columns), score, top)
        for rows, score in splits
    ])


def draw(path, table, models):
    """models: name -> for every test split its rows and scores."""
    matplotlib.rcParams.update({"svg.hashsalt": "weir", "font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False})
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for (name, splits), colour in zip(models.items(), COLOURS):
        left.plot(RECALLS, _precisions(table, splits), color=colour, label=name)
        right.plot(ALERTS_A_DAY, [_card_precisions(table, splits, k) for k in ALERTS_A_DAY], color=colour, label=name)
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="Transactions")
    right.plot([100], [BEST_PUBLISHED[3]], "o", color="#c2571a", markersize=4,
               label=f"best published ({BEST_PUBLISHED[0]})")
    right.set(xlabel="cards looked at a day, k", ylabel="card precision@k", xlim=(0, 200), ylim=(0, None),
              title="Cards a day")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, loc="center left" if axes is left else "upper right")
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)
    pyplot.close(figure)
