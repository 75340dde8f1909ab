#!/usr/bin/env python3
"""Trains the models weir comes with on transactions `weir generate` makes.

    python3 -m venv venv && venv/bin/pip install -r models/requirements.txt
    venv/bin/python models/train.py --weir build/weir --onnx models/card-fraud.onnx
    venv/bin/python models/train.py --weir build/weir place-fraud

The features are computed by `weir score --features`, by the code that serves them and with what was known at each
moment, so that training sees exactly what scoring will. The first days, when every card is new, only warm the histories
up. The rest is split by time: the first 60 % train, the next 20 % choose the regularisation and the thresholds, the
last 20 % are only measured. Written are weir.linear/v1 (models/NAME.json) and, with --onnx, the same pipeline as
scikit-learn's exporter writes it.

On your own data: give --transactions FILE, JSON lines with a "label": {"fraud": true|false} beside the transaction
(what it was), and --labels FILE, JSON lines of weir.v1.Label in the order of their times (when that was learned).
"""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).resolve().parent
TRAIN_SHARE, VALIDATION_SHARE = 0.6, 0.2
REGULARISATIONS = [0.001, 0.01, 0.1, 1.0, 10.0]
# An alert is worth an analyst's look when every second one is fraud, and a block when nine in ten are.
THRESHOLDS = [("review", 0.5), ("block", 0.9)]
SAMPLE_COUNT = 8


class Recipe:
    """A model: its version, whose histories it looks at, and the files its features are listed in."""

    def __init__(self, version, stages, features, description):
        self.version, self.stages, self.features = version, stages, [HERE / name for name in features]
        self.description = f"{description}; trained on generated transactions, not on real ones."


RECIPES = {
    "card-fraud": Recipe("2", "card", ["features.txt"], "Card fraud over one card's history"),
    "place-fraud": Recipe("1", "card,terminal,merchant", ["features.txt", "place-features.txt"],
                          "Card fraud over the histories of the card, the terminal and the merchant"),
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="card-fraud", choices=sorted(RECIPES), help="which model")
    parser.add_argument("--weir", default="weir", help="the weir program (default: the one on the PATH)")
    parser.add_argument("--transactions", type=pathlib.Path, help="labelled JSON lines instead of generated ones")
    parser.add_argument("--labels", type=pathlib.Path, help="when that was learned; with --transactions")
    parser.add_argument("--seed", type=int, default=20261101, help="of the generated transactions")
    parser.add_argument("--cards", type=int, default=4000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--warm-up-days", type=int, default=14, help="left out of every split")
    parser.add_argument("--version", help="default: the recipe's")
    parser.add_argument("--output", type=pathlib.Path, help="default: models/NAME.json")
    parser.add_argument("--onnx", type=pathlib.Path, help="also write the model as ONNX")
    options = parser.parse_args()
    options.output = options.output or HERE / f"{options.name}.json"
    options.recipe = RECIPES[options.name]
    options.version = options.version or options.recipe.version
    return options


def read_features(paths):
    lines = [line.strip() for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


# --- rows --------------------------------------------------------------------------------------------------------


def generate(options, folder):
    transactions, labels = folder / "transactions.jsonl", folder / "labels.jsonl"
    subprocess.run([options.weir, "generate", "--seed", str(options.seed), "--cards", str(options.cards), "--days",
                    str(options.days), "--output", str(transactions), "--labels", str(labels)], check=True)
    return transactions, labels


def blank_model(features):
    """A model that only asks for its features: every score is 0.5."""
    return {
        "format": "weir.linear/v1", "name": "features", "version": "0", "bias": 0, "link": "logistic",
        "features": [{"name": name, "weight": 0, "mean": 0} for name in features],
        "thresholds": [{"name": "never", "score": 1}],
        "training": {"from": "1970-01-01", "to": "1970-01-02"},
        "samples": [{"values": [0] * len(features), "score": 0.5}],
    }


def compute_features(options, features, transactions, labels, folder):
    """The feature vector of each transaction, by weir; NaN = missing. Duplicates have none and are left out."""
    model = folder / "features.json"
    model.write_text(json.dumps(blank_model(features)))
    command = [options.weir, "score", "--model", str(model), "--features", "--stages", options.recipe.stages,
               "--input", str(transactions)]
    if labels:
        command += ["--labels", str(labels)]
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            scored = json.loads(line)
            if "features" in scored:
                values = scored["features"]
                rows.append([np.nan if values[name] is None else values[name] for name in features])
            else:
                rows.append(None)
    if process.returncode != 0:
        sys.exit(f"weir score ended with {process.returncode}")
    return rows


def time_of(transaction):
    """The event time: an RFC 3339 text, or microseconds since 1970."""
    value = transaction.get("eventTimeUs", transaction.get("event_time_us"))
    if value is None:
        value = transaction.get("eventTime", transaction.get("event_time"))
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        return datetime.datetime.fromisoformat(value).timestamp()
    return int(value) / 1e6


def load(options, features, folder):
    transactions, labels = options.transactions, options.labels
    if not transactions:
        transactions, labels = generate(options, folder)
    vectors = compute_features(options, features, transactions, labels, folder)
    with transactions.open(encoding="utf-8") as file:
        events = [json.loads(line) for line in file if line.strip()]
    if len(events) != len(vectors):
        sys.exit(f"{len(events)} transactions, but {len(vectors)} scores: some were not taken")
    kept = [i for i, vector in enumerate(vectors) if vector is not None]
    labels = [events[i].get("label") or {} for i in kept]
    return {
        "x": np.array([vectors[i] for i in kept], dtype=float),
        "y": np.array([bool(label.get("fraud")) for label in labels], dtype=int),
        "pattern": np.array([label.get("pattern") or "" for label in labels]),
        "time": np.array([time_of(events[i]) for i in kept]),
    }


def split(rows, warm_up_days):
    """By time: what is known when the model is trained comes before what it is measured on."""
    order = np.argsort(rows["time"], kind="stable")
    order = order[rows["time"][order] >= rows["time"].min() + warm_up_days * 86400]
    train_end = int(len(order) * TRAIN_SHARE)
    validation_end = int(len(order) * (TRAIN_SHARE + VALIDATION_SHARE))
    parts = order[:train_end], order[train_end:validation_end], order[validation_end:]
    return [{key: column[part] for key, column in rows.items()} for part in parts]


# --- the model ---------------------------------------------------------------------------------------------------


def fit(part, regularisation):
    """A missing value counts as the mean: it says nothing. Probabilities stay calibrated: no class weights."""
    pipeline = make_pipeline(SimpleImputer(strategy="mean", keep_empty_features=True), StandardScaler(),
                             LogisticRegression(C=regularisation, max_iter=5000))
    return pipeline.fit(part["x"], part["y"])


def score(pipeline, part):
    return pipeline.predict_proba(part["x"])[:, 1]


def choose(train, validation):
    fitted = [fit(train, value) for value in REGULARISATIONS]
    return max(fitted, key=lambda pipeline: average_precision_score(validation["y"], score(pipeline, validation)))


def threshold_for(scores, labels, precision_wanted):
    """The lowest score from which on the wanted share of alerts is fraud; rounded up to four digits."""
    order = np.argsort(-scores, kind="stable")
    precision = np.cumsum(labels[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= precision_wanted)
    if len(good) == 0:
        sys.exit(f"no threshold gives a precision of {precision_wanted}: the model does not separate")
    return float(np.ceil(scores[order][good[-1]] * 1e4) / 1e4)


def choose_thresholds(scores, labels):
    chosen, previous = [], 0.0
    for name, precision in THRESHOLDS:
        previous = min(max(threshold_for(scores, labels, precision), previous + 1e-4), 1.0)
        chosen.append({"name": name, "score": round(previous, 4)})
    return chosen


def measure(scores, part, thresholds):
    labels, found = part["y"], {}
    found["events"], found["fraud"] = len(labels), int(labels.sum())
    found["average_precision"] = round(float(average_precision_score(labels, scores)), 4)
    found["roc_auc"] = round(float(roc_auc_score(labels, scores)), 4)
    for threshold in thresholds:
        alerts = scores >= threshold["score"]
        caught = {pattern: round(float(alerts[part["pattern"] == pattern].mean()), 4)
                  for pattern in sorted(set(part["pattern"][labels == 1])) if pattern}
        found[threshold["name"]] = {
            "alerts": int(alerts.sum()),
            "precision": round(float(labels[alerts].mean()), 4) if alerts.any() else None,
            "recall": round(float(alerts[labels == 1].mean()), 4),
            "recall_by_pattern": caught,
        }
    return found


# --- the files ---------------------------------------------------------------------------------------------------


def date(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def training_of(options, train):
    source = options.transactions.name if options.transactions else (
        f"weir generate --seed {options.seed} --cards {options.cards} --days {options.days}")
    return {"from": date(train["time"].min()), "to": date(train["time"].max() + 1), "rows": len(train["y"]),
            "positives": int(train["y"].sum()), "source": source}


def samples_of(pipeline, part):
    """Rows over the whole range of scores, one with a missing value, and what scikit-learn scores them."""
    scores = score(pipeline, part)
    chosen = list(np.argsort(scores, kind="stable")[np.linspace(0, len(scores) - 1, SAMPLE_COUNT - 1).astype(int)])
    holes = np.flatnonzero(np.isnan(part["x"]).any(axis=1))
    chosen += list(holes[:1])
    return [{"values": [None if np.isnan(v) else float(v) for v in part["x"][i]], "score": float(scores[i])}
            for i in chosen]


def write_linear(options, features, pipeline, parts, thresholds, metrics):
    imputer, scaler, regression = (step for _, step in pipeline.steps)
    rows = zip(features, regression.coef_[0], imputer.statistics_, scaler.mean_, scaler.scale_)
    model = {
        "format": "weir.linear/v1", "name": options.name, "version": options.version,
        "description": options.recipe.description,
        "features": [{"name": name, "weight": float(weight), "offset": float(mean), "scale": float(scale),
                      "mean": float(mean), "std": float(scale), "impute": float(impute)}
                     for name, weight, impute, mean, scale in rows],
        "bias": float(regression.intercept_[0]), "link": "logistic", "thresholds": thresholds,
        "training": training_of(options, parts[0]), "samples": samples_of(pipeline, parts[2]),
        "notes": {"made_by": "models/train.py", "regularisation": regression.C, "test": metrics},
    }
    options.output.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")


def write_onnx(options, features, pipeline, parts, thresholds):
    from skl2onnx import to_onnx  # only wanted here

    model = to_onnx(pipeline, parts[0]["x"][:1])
    scaler = pipeline.named_steps["standardscaler"]
    properties = {
        "weir.name": options.name, "weir.version": options.version, "weir.features": features,
        "weir.means": scaler.mean_.tolist(), "weir.stds": scaler.scale_.tolist(), "weir.thresholds": thresholds,
        "weir.training": training_of(options, parts[0]), "weir.samples": samples_of(pipeline, parts[2]),
    }
    for key, value in properties.items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    options.onnx.write_bytes(model.SerializeToString())


def main():
    options = parse_arguments()
    features = read_features(options.recipe.features)
    with tempfile.TemporaryDirectory() as folder:
        rows = load(options, features, pathlib.Path(folder))
    parts = split(rows, options.warm_up_days)
    train, validation, test = parts
    for name, part in zip(("train", "validation", "test"), parts):
        if not 0 < part["y"].sum() < len(part["y"]):
            sys.exit(f"the {name} rows are all of one class: {len(part['y'])} rows, {part['y'].sum()} fraud")
    pipeline = choose(train, validation)
    thresholds = choose_thresholds(score(pipeline, validation), validation["y"])
    metrics = measure(score(pipeline, test), test, thresholds)
    write_linear(options, features, pipeline, parts, thresholds, metrics)
    if options.onnx:
        write_onnx(options, features, pipeline, parts, thresholds)
    print(json.dumps(metrics, indent=1))
    for path in filter(None, (options.output, options.onnx)):
        if subprocess.run([options.weir, "model", "check", str(path)]).returncode != 0:
            sys.exit("weir does not take the model it was trained for")


if __name__ == "__main__":
    main()
