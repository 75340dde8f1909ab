"""What weir's scores are worth, by the published protocol, beside what is published.

    judge.py DIRECTORY [PICTURE]

DIRECTORY holds what convert.py and compare.py wrote, and for every test split D scores-D.jsonl: what weir scored with
model-D.json live, as `weir tail` prints it; offline-D.jsonl, if there, is what `weir score` made of the same.

The regression on the 15 published features is trained here, on weir's logged features; the scores of weir's own model
are the ones weir computed. The last line printed is the verdict, the one before it what the card's features alone would
give; the exit code is 1 when a feature differed from the independent computation, a score is missing, or live and
offline differ.
"""

import json
import os
import sys

import numpy
import pandas

import features
import picture
import protocol
import published
from compare import choose
from scores import read_scores
from transactions import LABEL_DELAY_DAYS, US_PER_DAY
from weir_model import THRESHOLD, logistic

REGULARISATIONS = [0.1, 1.0, 10.0, 100.0]
SCENARIOS = {1: "amount above 220", 2: "compromised terminal", 3: "compromised card"}


def read_file(table, directory, name):
    """A score a row (NaN: none), and how many lines contradict others; None when there is no such file."""
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as lines:
        score, _, strays = read_scores(lines, table)
    return score, strays


def seen_behind_a_tie(table):
    """Rows for which the newest known transaction at their terminal shares its second with another there, of another
    card. The two came through different partitions, and which is the newer is for the log to say: `last(amount)` of a
    live run may be the one or the other."""
    behind = numpy.zeros(len(table), dtype=bool)
    tied = table[table.duplicated(["terminal", "time_us"], keep=False)]
    delay_us = LABEL_DELAY_DAYS * US_PER_DAY
    for (terminal, time_us), _ in tied.groupby(["terminal", "time_us"]):
        times = table.loc[table["terminal"] == terminal, "time_us"]
        later = times[times > time_us]
        until_us = later.min() if len(later) else times.max() + delay_us + 1
        behind[times[(times >= time_us + delay_us) & (times < until_us + delay_us)].index] = True
    return behind


def weir_scores(table, directory):
    """For every test split its test rows and weir's scores of them, and how many scores are wrong: missing,
    contradicting another, or not what `weir score` made of the same."""
    splits, wrong = [], 0
    for first_day in protocol.TEST:
        score, strays = read_file(table, directory, f"scores-{first_day}.jsonl")
        wrong += int(numpy.isnan(score).sum()) + strays
        offline = read_file(table, directory, f"offline-{first_day}.jsonl")
        if offline:
            differs, behind = score != offline[0], seen_behind_a_tie(table)
            differing = int((differs & ~behind).sum())
            print(f"model {first_day}: {differing} of {len(score)} live scores differ from `weir score`'s; besides, "
                  f"{int((differs & behind).sum())} of the {int(behind.sum())} right behind a tie at their terminal")
            wrong += differing
        _, rows = protocol.split(table, first_day)
        splits.append((rows, numpy.nan_to_num(score[rows])))
    return splits, wrong


def mean(table, splits):
    return protocol.Metrics.mean([protocol.measure(table, rows, score) for rows, score in splits])


def print_row(name, metrics, where):
    print(f"  {name:44s} {metrics[0]:8.3f} {metrics[1]:8.3f} {metrics[2]:8.3f}  {where}")


def as_row(metrics):
    return metrics.auc_roc, metrics.average_precision, metrics.card_precision_100


def print_table(title, rows_published, rows_here):
    print(f"\n{title}")
    print(f"  {'':44s} {'AUC ROC':>8s} {'AP':>8s} {'CP@100':>8s}")
    for name, *metrics, where in rows_published:
        print_row(name, metrics, f"published, {where}")
    for name, metrics in rows_here:
        print_row(name, as_row(metrics), "here")


def caught(table, splits):
    """By scenario: of the frauds of the test weeks, the shares within 100 cards a day, and at the model's threshold."""
    found = {scenario: numpy.zeros(3) for scenario in SCENARIOS}
    for rows, score in splits:
        day, card, fraud, scenario = (table[name].to_numpy()[rows] for name in ("day", "card", "fraud", "scenario"))
        alerted = protocol.alerted_rows(day, card, fraud, score)
        for one in SCENARIOS:
            of_it = scenario == one
            found[one] += of_it.sum(), (of_it & alerted).sum(), (of_it & (score >= THRESHOLD)).sum()
    return found


def print_caught(table, models):
    print("\nshare of fraudulent transactions caught, all test weeks: within the 100 cards a day / at a score of 0.5")
    for name, splits in models.items():
        found = caught(table, splits)
        found["all"] = sum(found.values())
        for scenario, (total, in_budget, over_threshold) in found.items():
            label = SCENARIOS.get(scenario, "all")
            print(f"  {name:34s} {label:22s} {in_budget / total:6.1%} / {over_threshold / total:6.1%} of {total:.0f}")
        alerts = sum(int((score >= THRESHOLD).sum()) for _, score in splits)
        right = sum(int(table["fraud"].to_numpy()[rows][score >= THRESHOLD].sum()) for rows, score in splits)
        print(f"  {name:34s} {'precision at 0.5':22s} {right / max(alerts, 1):6.1%} of {alerts} alerts")


def cards_alone(table, logged):
    """The regression on the nine features of card and event, on the baseline split: how far one gets without places."""
    nine = logged[:, [i for i, name in enumerate(features.PUBLISHED15) if "terminal." not in name]]
    chosen = choose(table, nine, logistic, REGULARISATIONS)
    return protocol.evaluate(table, nine, logistic(chosen), protocol.BASELINE)


def main(directory, picture_file):
    table = pandas.read_pickle(os.path.join(directory, "table.pkl"))
    logged = numpy.nan_to_num(numpy.load(os.path.join(directory, "logged.npy"))[:, : len(features.PUBLISHED15)])
    with open(os.path.join(directory, "verdict.json"), encoding="utf-8") as file:
        verdict = json.load(file)
    own, wrong = weir_scores(table, directory)
    own_mean = mean(table, own)

    chosen = choose(table, logged, logistic, REGULARISATIONS)
    fifteen = [protocol.scores(table, logged, logistic(chosen), day) for day in protocol.TEST]
    fifteen_mean = mean(table, fifteen)
    print(f"\nregression on the 15 published features, as weir logged them: C={chosen:g}, by the validation splits")
    name, own_name = "the same, on weir's features", "weir's linear model, scored by weir"
    at = protocol.TEST.index(protocol.BASELINE[0])
    print_table("the baseline split", published.BASELINE_ROWS,
                [(name, mean(table, fifteen[at : at + 1])), (own_name, mean(table, own[at : at + 1]))])
    print_table("mean of the four test splits", published.TEST_ROWS, [(name, fifteen_mean), (own_name, own_mean)])
    print_caught(table, {"regression, 15 features": fifteen, "weir's linear model": own})
    if picture_file:
        picture.draw(picture_file, table, {"regression on the 15 published features": fifteen,
                                           "weir's linear model": own})
    if wrong:
        print(f"\n{wrong} of weir's scores are missing, or differ from themselves or from `weir score`'s")
    print(f"handbook: card9 {cards_alone(table, logged)}; features differing {verdict['differing']}")
    print(f"handbook: baseline {fifteen_mean}; weir {own_mean}; features differing {verdict['differing']}")
    return 1 if verdict["differing"] or verdict["missing"] or verdict["strays"] or wrong else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: judge.py DIRECTORY [PICTURE]")
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))
