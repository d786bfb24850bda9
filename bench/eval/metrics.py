"""Reads Prometheus text and says what the counters between two readings mean."""

import re

SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

DRAFTED = "baton_mtp_drafted_tokens_total"
ACCEPTED = "baton_mtp_accepted_tokens_total"
EXPERT_TOKENS = "baton_expert_tokens_total"


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


def expert_tokens(samples):
    """{layer: {expert: tokens}}, summed over all other labels."""
    layers = {}
    for name, labels, value in samples:
        if name == EXPERT_TOKENS and "layer" in labels and "expert" in labels:
            experts = layers.setdefault(int(labels["layer"]), {})
            expert = int(labels["expert"])
            experts[expert] = experts.get(expert, 0.0) + value
    return layers


def acceptance(before, after):
    """Share of accepted drafts between two readings, or None if nothing was drafted."""
    drafted, accepted = total(after, DRAFTED), total(after, ACCEPTED)
    if drafted is None or accepted is None:
        return None
    drafted -= total(before, DRAFTED) or 0.0
    accepted -= total(before, ACCEPTED) or 0.0
    return accepted / drafted if drafted > 0 else None


def load_spread(before, after):
    """{layer: busiest expert's tokens over the mean} between two readings."""
    earlier, spread = expert_tokens(before), {}
    for layer, experts in sorted(expert_tokens(after).items()):
        past = earlier.get(layer, {})
        counts = [tokens - past.get(expert, 0.0) for expert, tokens in experts.items()]
        if sum(counts) > 0:
            spread[layer] = max(counts) * len(counts) / sum(counts)
    return spread
