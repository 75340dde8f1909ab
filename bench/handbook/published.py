"""What others reached on these transactions by this protocol: the book's own stored results, its best of each kind.

One row a model: what it is, AUC ROC, average precision, card precision@100, and where the book has it. "Best" is by
average precision on the test mean, among all parameters the book tried.
"""

BASELINE_ROWS = [
    ("logistic regression, 15 features", 0.871, 0.606, 0.291, "chapter 3"),
    ("random forest", 0.867, 0.658, 0.287, "chapter 3"),
    ("XGBoost", 0.862, 0.639, 0.273, "chapter 3"),
]

TEST_ROWS = [
    ("logistic regression, 15 features", 0.868, 0.623, 0.298, "chapter 5"),
    ("decision tree", 0.813, 0.601, 0.283, "chapter 5"),
    ("random forest, tuned", 0.870, 0.678, 0.299, "chapter 5"),
    ("XGBoost, tuned", 0.871, 0.694, 0.304, "chapter 5"),
    ("neural network", 0.878, 0.683, 0.303, "chapter 7"),
    ("convolutional network", 0.872, 0.617, 0.291, "chapter 7"),
    ("LSTM", 0.875, 0.674, 0.300, "chapter 7"),
    ("LSTM with attention", 0.877, 0.676, 0.303, "chapter 7"),
]
