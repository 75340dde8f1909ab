#!/usr/bin/env python3
"""Makes ONNX model files with scikit-learn and skl2onnx, and what onnxruntime scores with them.

    python3 -m venv venv && venv/bin/pip install -r tests/release/requirements.txt
    venv/bin/python tests/release/make_fixtures.py tests/unit/release/fixtures
    venv/bin/python tests/release/make_fixtures.py /tmp/many --seed 7 --rows 500   # more rows than are committed
    WEIR_RELEASE_FIXTURES=/tmp/many build/tests/unit_release_onnx_test

The directory gets one .onnx per case and manifest.json:
    accepted: file, tolerance, rows (raw feature values, null = missing) and onnxruntime's score of each
    refused:  file, and the texts the refusal has to contain
"""
import argparse
import json
import pathlib
import warnings

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (MaxAbsScaler, MinMaxScaler, PolynomialFeatures, PowerTransformer, RobustScaler,
                                   StandardScaler)

warnings.filterwarnings("ignore")

FEATURES = ["amount", "count(1h)", "sum(amount, 24h)", "hour()", "night()", "since_last()"]
THRESHOLDS = [{"name": "review", "score": 0.5}, {"name": "block", "score": 0.9}]
TRAINING = {"from": "2026-01-01", "to": "2026-04-01T00:00:00Z", "rows": 1500, "positives": 600}
ML = "ai.onnx.ml"


def make_rows(rng, count):
    """Raw feature values of the sizes that occur, and labels a linear model can learn."""
    amount = rng.lognormal(3, 1, count)
    burst = rng.poisson(1.5, count).astype(float)
    total = amount + rng.lognormal(4, 1, count)
    hour = rng.integers(0, 24, count).astype(float)
    rows = np.column_stack([amount, burst, total, hour, hour <= 6, rng.exponential(20000, count)])
    logit = 0.03 * amount + 0.8 * burst - 0.002 * total + 0.9 * (hour <= 6) - 0.00001 * rows[:, 5] - 2.2
    return rows, (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(int)


def as_frame(rows):
    return pd.DataFrame(rows, columns=FEATURES)


class Case:
    """A model file: how it scores, and what goes with it."""

    def __init__(self, name, model, *, missing=False, tolerance=None, metadata=None, column=1, output=None,
                 reference=None):
        self.reference = reference  # scores rows where onnxruntime has no kernel for a valid graph
        self.name, self.model, self.missing, self.tolerance = name, model, missing, tolerance
        self.metadata, self.column, self.output = metadata or {}, column, output

    def feed(self, row):
        """One row as the graph's inputs want it."""
        types = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.INT64: np.int64}
        constants = {tensor.name for tensor in self.model.graph.initializer}
        inputs = [value for value in self.model.graph.input if value.name not in constants]
        feed, at = {}, 0
        for value in inputs:
            tensor = value.type.tensor_type
            width = len(FEATURES) if len(inputs) == 1 else 1
            feed[value.name] = row[at:at + width].astype(types[tensor.elem_type]).reshape(1, width)
            at += width
        return feed

    def runnable(self):
        """The model as onnxruntime can run it: its ZipMap takes no doubles, so what goes into it is read instead."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        zips = [node for node in model.graph.node if node.op_type == "ZipMap"]
        if not zips:
            return model
        model.graph.node.remove(zips[0])
        element = model.graph.input[0].type.tensor_type.elem_type
        element = element if element == TensorProto.DOUBLE else TensorProto.FLOAT
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(zips[0].input[0], element, [None, 2]))
        return model

    def scores(self, rows):
        if self.reference:
            return self.reference(rows)
        session = onnxruntime.InferenceSession(self.runnable().SerializeToString(), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        name = self.output or next(n for n in names if "prob" in n or n in ("variable", "score"))
        found = []
        for row in rows:
            value = np.ravel(session.run([name], self.feed(row))[0])
            found.append(float(value[self.column if len(value) == 2 else 0]))
        return np.clip(found, 0, 1)


def with_metadata(case, rows, scores, means):
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    # Golden samples where the score is not saturated say most.
    chosen = np.argsort(np.abs(scores - 0.5))[:3]
    properties = {
        "weir.name": case.name, "weir.version": "1", "weir.features": FEATURES, "weir.means": list(means),
        "weir.thresholds": THRESHOLDS, "weir.training": TRAINING,
        "weir.samples": [{"values": listed(rows[i]), "score": float(scores[i])} for i in chosen],
    }
    if case.tolerance:
        properties["weir.tolerance"] = case.tolerance
    properties.update(case.metadata)
    for key, value in properties.items():
        if value is not None:
            model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    return model


def listed(row):
    return [None if np.isnan(value) else float(value) for value in row]


def single(rows):
    """Rows that are exact in float, so that both sides start from the same numbers."""
    return rows.astype(np.float32).astype(np.float64)


def fit(*steps, rows, labels):
    return make_pipeline(*steps).fit(rows, labels)


def sklearn_cases(rows, labels):
    f32, frame = rows.astype(np.float32), as_frame(rows)
    holes = single(rows)
    holes[np.random.default_rng(3).random(rows.shape) < 0.1] = np.nan
    logistic = fit(StandardScaler(), LogisticRegression(), rows=rows, labels=labels)
    yield Case("logistic_float", to_onnx(logistic, f32[:1]))
    yield Case("logistic_double", to_onnx(logistic, rows[:1]))
    yield Case("logistic_nozipmap", to_onnx(logistic, rows[:1], options={"zipmap": False}))
    yield Case("logistic_columns", to_onnx(logistic, rows[:1], options={"zipmap": "columns"}), output="i1",
               metadata={"weir.output": "i1"})
    yield Case("logistic_bare", to_onnx(LogisticRegression(max_iter=5000).fit(rows, labels), f32[:1]), tolerance=1e-5)
    sgd = fit(StandardScaler(), SGDClassifier(loss="log_loss", random_state=1), rows=rows, labels=labels)
    yield Case("sgd_float", to_onnx(sgd, f32[:1]))
    yield Case("sgd_double", to_onnx(sgd, rows[:1]))
    for name, scaler in [("minmax", MinMaxScaler()), ("maxabs", MaxAbsScaler()), ("robust", RobustScaler())]:
        model = fit(scaler, LogisticRegression(), rows=rows, labels=labels)
        yield Case(name, to_onnx(model, f32[:1]))
        if name != "minmax":  # skl2onnx 1.20 casts MinMaxScaler to float whatever its input is
            yield Case(name + "_double", to_onnx(model, rows[:1]))
    for strategy in ("mean", "median"):
        model = fit(SimpleImputer(strategy=strategy), StandardScaler(), LogisticRegression(), rows=holes, labels=labels)
        yield Case("imputer_" + strategy, to_onnx(model, f32[:1]), missing=True)
    yield Case("imputer_double", to_onnx(model, rows[:1]), missing=True,
               reference=lambda given: model.predict_proba(given)[:, 1])  # its medians are exact in float
    named = fit(StandardScaler(), LogisticRegression(), rows=frame, labels=labels)
    yield Case("named_columns", to_onnx(named, frame[:1]), tolerance=1e-6)
    integers = frame.assign(**{"count(1h)": frame["count(1h)"].astype(int), "night()": frame["night()"].astype(int)})
    mixed = fit(StandardScaler(), LogisticRegression(), rows=integers, labels=labels)
    yield Case("named_integers", to_onnx(mixed, integers[:1]), tolerance=1e-6)
    parts = ColumnTransformer([("a", StandardScaler(), FEATURES[3:]), ("b", MaxAbsScaler(), FEATURES[:3])])
    yield Case("column_transformer", to_onnx(fit(parts, LogisticRegression(), rows=frame, labels=labels), frame[:1]),
               tolerance=1e-6)
    parts = ColumnTransformer([("a", StandardScaler(), [5, 0, 2]), ("b", "passthrough", [1, 3, 4])])
    yield Case("column_transformer_matrix", to_onnx(fit(parts, LogisticRegression(), rows=rows, labels=labels),
                                                    rows[:1]))
    yield Case("linear_regression", to_onnx(fit(StandardScaler(), LinearRegression(), rows=rows, labels=labels),
                                            rows[:1]))
    yield Case("linear_regression_float", to_onnx(fit(StandardScaler(), LinearRegression(), rows=rows, labels=labels),
                                                  f32[:1]))
    yield Case("ridge", to_onnx(fit(StandardScaler(), Ridge(), rows=rows, labels=labels), rows[:1]))
    texts = fit(StandardScaler(), LogisticRegression(), rows=rows, labels=np.where(labels, "fraud", "genuine"))
    yield Case("text_classes", to_onnx(texts, f32[:1]), column=0)
    texts = fit(StandardScaler(), LogisticRegression(), rows=rows, labels=np.where(labels, "B", "G"))
    yield Case("chosen_class", to_onnx(texts, f32[:1]), column=0, metadata={"weir.class": "B"})
    yield Case("boolean_classes", to_onnx(fit(StandardScaler(), LogisticRegression(), rows=rows, labels=labels > 0),
                                          f32[:1]))


def graph_model(nodes, initializers, output, element=TensorProto.DOUBLE, width=(1,)):
    graph = helper.make_graph(
        nodes, "hand", [helper.make_tensor_value_info("X", element, [None, len(FEATURES)])],
        [helper.make_tensor_value_info(output, element, [None, *width])],
        [numpy_helper.from_array(value, name) for name, value in initializers.items()])
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ML, 3)])


WEIGHTS = np.array([0.02, 0.7, -0.001, 0.01, 0.8, -1e-5])


def hand_cases():
    """Graphs as other exporters write them, and operators skl2onnx does not emit."""
    node = helper.make_node
    yield Case("gemm_softmax", graph_model(
        [node("Gemm", ["X", "W", "b"], ["z"], alpha=0.5, beta=2.0, transB=1),
         node("Softmax", ["z"], ["prob"], axis=-1)],
        {"W": np.stack([0.4 * WEIGHTS, 2.4 * WEIGHTS]), "b": np.array([0.3, -0.4])}, "prob", width=(2,)))
    yield Case("clipped_probability", graph_model(
        [node("MatMul", ["X", "W"], ["m"]), node("Add", ["b", "m"], ["z"]), node("Sigmoid", ["z"], ["p"]),
         node("Clip", ["p", "low", "high"], ["prob"])],
        {"W": WEIGHTS.reshape(-1, 1), "b": np.array([-1.5]), "low": np.array(0.2), "high": np.array(0.8)}, "prob"))
    yield Case("shapes", graph_model(
        [node("Constant", [], ["two"], value_float=2.0), node("Constant", [], ["half"], value_floats=[0.5]),
         node("Cast", ["two"], ["two64"], to=TensorProto.DOUBLE), node("Cast", ["half"], ["half64"], to=11),
         node("Mul", ["two64", "half64"], ["one"]), node("Neg", ["X"], ["n"]), node("Mul", ["n", "one"], ["n1"]),
         node("MatMul", ["n1", "W"], ["m"]), node("Slice", ["m", "from", "to", "from"], ["s"]),
         node("Squeeze", ["s", "from"], ["flat"]), node("Sub", ["half64", "flat"], ["z"]),
         node("Unsqueeze", ["z", "from"], ["column"]), node("Identity", ["column"], ["same"]),
         node("Sigmoid", ["same"], ["p"]), node("Sub", ["one", "p"], ["q"]),
         node("Concat", ["q", "p"], ["both"], axis=-1),
         node("Gather", ["both", "from"], ["prob"], axis=1)],
        {"W": np.stack([5 * WEIGHTS, WEIGHTS], axis=1), "from": np.array([1], np.int64),
         "to": np.array([9], np.int64)}, "prob"))
    yield Case("sum_of_terms", graph_model(
        [node("Mul", ["X", "W"], ["t"]), node("ReduceSum", ["t", "axis"], ["m"], keepdims=1),
         node("Sub", ["m", "b"], ["z"]), node("Sigmoid", ["z"], ["prob"])],
        {"W": WEIGHTS, "b": np.array([1.5]), "axis": np.array([1], np.int64)}, "prob"))
    for name, labels, extra in [("one_row_classifier", [0, 1], {}), ("two_row_softmax", [0, 1], {"softmax": True})]:
        rows = [-0.5 * WEIGHTS, 0.5 * WEIGHTS] if extra else [WEIGHTS]
        yield Case(name, graph_model(
            [node("LinearClassifier", ["X"], ["label", "prob"], domain=ML,
                  coefficients=np.concatenate(rows).tolist(), intercepts=[-1.0] if not extra else [0.5, -0.5],
                  classlabels_ints=labels, post_transform="SOFTMAX" if extra else "LOGISTIC")],
            {}, "prob", TensorProto.FLOAT, (2,)))
    yield Case("scaled_then_imputed", graph_model(
        [node("Scaler", ["X"], ["s"], domain=ML, offset=[1.0] * 6, scale=[0.5, 1, 0.01, 0.1, 1, 0.001]),
         node("Imputer", ["s"], ["i"], domain=ML, imputed_value_floats=[0.25] * 6, replaced_value_float=float("nan")),
         node("LinearRegressor", ["i"], ["score"], domain=ML, coefficients=(WEIGHTS * 10).tolist(), intercepts=[0.1],
              targets=1)],
        {}, "score", TensorProto.FLOAT), missing=True)
    yield Case("normalised_classifier", graph_model(
        [node("LinearClassifier", ["X"], ["label", "p"], domain=ML, coefficients=[*(-WEIGHTS), *WEIGHTS],
              intercepts=[1.0, -1.0], classlabels_ints=[0, 1], post_transform="LOGISTIC"),
         node("Normalizer", ["p"], ["prob"], domain=ML, norm="L1")],
        {}, "prob", TensorProto.FLOAT, (2,)))


def refused_cases(rows, labels):
    """(name, model, texts of the refusal, metadata): what is not linear, and what does not fit together."""
    f32, node = rows.astype(np.float32), helper.make_node
    logistic = fit(StandardScaler(), LogisticRegression(), rows=rows, labels=labels)
    float_input = [("X", FloatTensorType([None, len(FEATURES)]))]
    power = fit(PowerTransformer(), LogisticRegression(), rows=f32, labels=labels)
    yield "power_transformer", to_onnx(power, initial_types=float_input), ["node \"", "linear in the features"], {}
    poly = fit(PolynomialFeatures(2), LogisticRegression(), rows=rows, labels=labels)
    yield "polynomial_features", to_onnx(poly, f32[:1]), ["ReduceProd", "linear in the features"], {}
    calibrated = CalibratedClassifierCV(LogisticRegression(), ensemble=False).fit(rows, labels)
    yield "calibrated", to_onnx(calibrated, f32[:1]), ["Exp", "linear in the features"], {}
    forest = RandomForestClassifier(n_estimators=2, max_depth=2, random_state=1).fit(rows, labels)
    yield "random_forest", to_onnx(forest, f32[:1]), ["TreeEnsembleClassifier", "linear in the features"], {}
    clipped = fit(MinMaxScaler(clip=True), LogisticRegression(), rows=rows, labels=labels)
    yield "clipped_features", to_onnx(clipped, f32[:1]), ["clipped by node", "clip(x, low, high)"], {}
    three = fit(StandardScaler(), LogisticRegression(), rows=rows, labels=labels + (rows[:, 0] > 30))
    yield "three_classes", to_onnx(three, f32[:1]), ["classes"], {}
    raw = {LogisticRegression: {"raw_scores": True, "zipmap": False}}
    yield "raw_scores", to_onnx(logistic, f32[:1], options=raw), ["raw_scores=False"], {}
    columns = to_onnx(logistic, rows[:1], options={"zipmap": "columns"})
    yield "which_output", columns, ["2 outputs", "weir.output"], {}
    yield "no_such_output", columns, ["i7", "not an output"], {"weir.output": "i7"}
    texts = fit(StandardScaler(), LogisticRegression(), rows=rows, labels=np.where(labels, "B", "G"))
    yield "which_class", to_onnx(texts, f32[:1]), ["weir.class"], {}
    good = to_onnx(logistic, rows[:1])
    yield "feature_count", good, ["6", "5"], {"weir.features": FEATURES[:5]}
    swapped = FEATURES[:]
    swapped[0], swapped[2] = swapped[2], swapped[0]
    yield "wrong_sample", good, ["sample 1", "does not reproduce", "0.123"], {"weir.samples": [
        {"values": [1, 2, 3, 4, 5, 6], "score": float(logistic.predict_proba([[1, 2, 3, 4, 5, 6]])[0, 1])},
        {"values": [1, 2, 3, 4, 5, 6], "score": 0.123}]}
    yield "unknown_key", good, ["weir.treshold"], {"weir.treshold": THRESHOLDS}
    yield "no_means", good, ["weir.means is missing"], {"weir.means": None}
    yield "bad_json", good, ["weir.training", "line 1"], {"weir.training": "{'from': 1}"}
    yield "unknown_feature", good, ["velocity(1h)"], {"weir.features": ["velocity(1h)", *FEATURES[1:]]}
    yield "same_feature_twice", good, ["are the same"], {"weir.features": [FEATURES[1], *FEATURES[1:]]}
    yield "mangled_names", to_onnx(fit(StandardScaler(), LogisticRegression(), rows=as_frame(rows), labels=labels),
                                   as_frame(rows)[:1]), ["count_1h_"], {"weir.features": None}
    yield "square", graph_model(
        [node("Mul", ["X", "X"], ["s"]), node("MatMul", ["s", "W"], ["score"])], {"W": WEIGHTS.reshape(-1, 1)},
        "score"), ["product or quotient of features"], {}
    yield "after_the_link", graph_model(
        [node("MatMul", ["X", "W"], ["z"]), node("Sigmoid", ["z"], ["p"]), node("Mul", ["p", "two"], ["score"])],
        {"W": WEIGHTS.reshape(-1, 1), "two": np.array([2.0])}, "score"), ["has passed a sigmoid"], {}
    yield "two_links", graph_model(
        [node("MatMul", ["X", "W"], ["z"]), node("Sigmoid", ["z"], ["p"]), node("Sigmoid", ["p"], ["score"])],
        {"W": WEIGHTS.reshape(-1, 1)}, "score"), ["what follows a sigmoid"], {}
    yield "rounded", graph_model(
        [node("Cast", ["X"], ["n"], to=TensorProto.INT64), node("Cast", ["n"], ["x"], to=TensorProto.DOUBLE),
         node("MatMul", ["x", "W"], ["score"])], {"W": WEIGHTS.reshape(-1, 1)}, "score"), ["rounding"], {}
    yield "not_finite", graph_model(
        [node("MatMul", ["X", "W"], ["score"])], {"W": np.full((6, 1), np.inf)}, "score"), ["element 0", "inf"], {}
    yield "divided_by_zero", graph_model(
        [node("Div", ["X", "d"], ["x"]), node("MatMul", ["x", "W"], ["score"])],
        {"W": WEIGHTS.reshape(-1, 1), "d": np.zeros(6)}, "score"), ["divided by 0"], {}
    yield "row_norm", graph_model(
        [node("Normalizer", ["X"], ["x"], domain=ML, norm="L2"), node("MatMul", ["x", "W"], ["score"])],
        {"W": WEIGHTS.reshape(-1, 1).astype(np.float32)}, "score", TensorProto.FLOAT), ["own norm"], {}
    yield "constant_score", graph_model(
        [node("Sub", ["X", "X"], ["x"]), node("Identity", ["W"], ["score"])], {"W": np.array([[0.5]])},
        "score"), ["the same for every event"], {}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory", type=pathlib.Path)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--rows", type=int, default=12, help="rows scored per accepted model")
    options = arguments.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    rows, labels = make_rows(rng, 1500)
    means = rows.mean(axis=0)
    manifest = {"accepted": [], "refused": []}
    for case in [*sklearn_cases(rows, labels), *hand_cases()]:
        probe = single(make_rows(rng, options.rows)[0])
        if case.missing:
            probe[rng.random(probe.shape) < 0.2] = np.nan
        scores = case.scores(probe)
        model = with_metadata(case, probe, scores, means)
        (options.directory / f"{case.name}.onnx").write_bytes(model.SerializeToString())
        manifest["accepted"].append({"file": f"{case.name}.onnx", "rows": [
            {"values": listed(row), "score": float(score)} for row, score in zip(probe, scores)]})
    probe = single(make_rows(rng, 3)[0])
    for name, model, texts, metadata in refused_cases(rows, labels):
        case = Case(name, model, metadata=metadata)
        refused = with_metadata(case, probe, np.array([0.5, 0.5, 0.5]), means)
        (options.directory / f"refused_{name}.onnx").write_bytes(refused.SerializeToString())
        manifest["refused"].append({"file": f"refused_{name}.onnx", "says": texts})
    (options.directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{len(manifest['accepted'])} accepted and {len(manifest['refused'])} refused in {options.directory}")


if __name__ == "__main__":
    main()
