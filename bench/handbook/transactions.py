"""The handbook's transactions as a table: one row a transaction, in the order in which they are sent.

Columns: transaction_id, time_us, day (0 is 2018-04-01 UTC), card, terminal, amount_minor, fraud, scenario.
"""

import datetime
import subprocess

import pandas

US_PER_DAY = 86_400_000_000
DAY_0_US = 17_622 * US_PER_DAY  # 2018-04-01T00:00:00Z
LABEL_DELAY_DAYS = 7  # after its event, a fraud is known

_COLUMNS = {
    "transaction_id": "transaction_id",
    "epoch_ms": "time_us",
    "customer_id": "card",
    "terminal_id": "terminal",
    "amount_cents": "amount_minor",
    "is_fraud": "fraud",
    "fraud_scenario": "scenario",
}


def read(path):
    """Reads FILE.csv or FILE.csv.zst. Rows that share a second are in the order of their ids."""
    if path.endswith(".zst"):
        with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as unpack:
            table = _parse(unpack.stdout)
        if unpack.returncode:
            raise OSError(f"zstd cannot read {path}: exit code {unpack.returncode}")
        return table
    return _parse(path)


def _parse(source):
    table = pandas.read_csv(source, usecols=list(_COLUMNS), dtype="int64").rename(columns=_COLUMNS)
    table["time_us"] *= 1000
    table["day"] = (table["time_us"] - DAY_0_US) // US_PER_DAY
    return table.sort_values(["time_us", "transaction_id"], ignore_index=True)


def iso_day(day):
    return (datetime.date(2018, 4, 1) + datetime.timedelta(days=day)).isoformat()


def write_for_weir(table, path):
    """Writes the CSV that `weir send` reads. The header names the fields of weir.v1.Transaction."""
    pandas.DataFrame(
        {
            "transaction_id": table["transaction_id"],
            "card_token": "c" + table["card"].astype(str),
            "event_time_us": table["time_us"],
            "amount_minor": table["amount_minor"],
            "currency": "EUR",
            "terminal_id": "t" + table["terminal"].astype(str),
        }
    ).to_csv(path, index=False)


def write_labels_for_weir(table, path):
    """Writes the CSV that `weir label` reads, in the order of label times: frauds, known LABEL_DELAY_DAYS later."""
    frauds = table[table["fraud"] == 1]
    pandas.DataFrame(
        {
            "transaction_id": frauds["transaction_id"],
            "card_token": "c" + frauds["card"].astype(str),
            "label_time_us": frauds["time_us"] + LABEL_DELAY_DAYS * US_PER_DAY,
            "verdict": "VERDICT_FRAUD",
            "event_time_us": frauds["time_us"],
        }
    ).to_csv(path, index=False)
    return len(frauds)
