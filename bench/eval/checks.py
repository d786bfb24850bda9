"""The rules by which a held-out answer counts as right. Each rule takes the text and the value."""

import json
import re


def last_number(text, value):
    """The last whole number in the text is the value."""
    numbers = re.findall(r"\d+", text)
    return bool(numbers) and int(numbers[-1]) == value


def contains(text, value):
    """The value stands in the text, not inside a longer word or number."""
    return re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", text) is not None


def equals(text, value):
    return text.strip() == value


def json_equals(text, value):
    try:
        return json.loads(text) == value
    except ValueError:
        return False


RULES = {"last_number": last_number, "contains": contains, "equals": equals, "json": json_equals}


def is_right(text, check):
    return RULES[check["rule"]](text, check["value"])
