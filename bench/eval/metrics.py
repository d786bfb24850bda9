"""Reads Prometheus text and says what the counters between two readings mean."""

import re

SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

DRAFTED = "baton_mtp_drafted_tokens_total"
ACCEPTED = "baton_mtp_accepted_tokens_total"
EXPERT_LOAD = "baton_expert_load_ratio"


def parse(text):
    """[(name, labels, value), ...] of the samples of an exposition."""
    samples = []
    for line in text.splitlines():
        match = SAMPLE.match(line)
        if match:
            try:
                value = float(match[3])
            except ValueError:
                continue
            samples.append((match[1], dict(LABEL.findall(match[2] or "")), value))
    return samples


def total(samples, name):
    """The sum over all labels, or None where the server does not report the counter."""
    values = [value for n, _, value in samples if n == name]
    return sum(values) if values else None


def acceptance(before, after):
    """Share of accepted drafts between two readings, or None if nothing was drafted."""
    drafted, accepted = total(after, DRAFTED), total(after, ACCEPTED)
    if drafted is None or accepted is None:
        return None
    drafted -= total(before, DRAFTED) or 0.0
    accepted -= total(before, ACCEPTED) or 0.0
    return accepted / drafted if drafted > 0 else None


def load_spread(samples):
    """{layer: busiest expert's load over the mean}, of late, where it is largest."""
    spread = {}
    for name, labels, value in samples:
        if name == EXPERT_LOAD and "layer" in labels:
            layer = int(labels["layer"])
            spread[layer] = max(value, spread.get(layer, 0.0))
    return dict(sorted(spread.items()))
