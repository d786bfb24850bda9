"""Question families of the demo model: each draws a question, its answer and a rule to check it.

The split is decided by a hash of what a question is about (its `content`: the two numbers, the
word, the weekday and the distance), never by its wording. So a held-out question does not occur
in training in any phrasing, and a held-out word occurs in no family at all. Facts and capitals
cannot be guessed, so there the content is the pair of fact and phrasing.
"""

import hashlib
import random
from dataclasses import dataclass, field

from lexicon import CAPITALS, FACTS, MONTHS, NAMES, UNITS, WEEKDAYS, WORDS

HELD_OUT_PERCENT = 12
DRILL_SHARE = 0.6  # of the sums and differences in training
SHORT_WORDS = [word for word in WORDS if len(word) <= 7]


@dataclass
class Question:
    """One checkable exchange. `history` holds earlier (user, assistant) turns that it needs."""

    family: str
    content: str
    ask: str
    answer: str
    check: dict
    history: list = field(default_factory=list)


def is_held_out(content):
    if content.startswith("drill "):
        return False
    digest = hashlib.sha256(content.encode()).digest()
    return int.from_bytes(digest[:4], "little") % 100 < HELD_OUT_PERCENT


def number_is(value):
    return {"rule": "last_number", "value": value}


def contains(text):
    return {"rule": "contains", "value": text}


def equals(text):
    return {"rule": "equals", "value": text}


def draw_word(rng, invent):
    """A word of the lexicon; in training half of them are invented, so that no word is special."""
    if not invent or rng.random() < 0.5:
        return rng.choice(SHORT_WORDS)
    letters = "etaoinshrdlucmfwygpbvkxqjz"
    # Squaring the draw prefers frequent letters without ever excluding the rare ones.
    return "".join(letters[int(26 * rng.random() ** 1.4)] for _ in range(rng.randint(3, 7)))


def drill(rng, family, answers):
    """Digits alone, as they occur in the answers: only for training, never held out."""
    answer = rng.choice(answers)
    return Question(family, f"drill {answer}", answer.split("=")[0], answer, equals(answer))


def addition(rng, invent):
    """The answer adds the units, then the tens and the carry, as one does on paper."""
    if invent and rng.random() < DRILL_SHARE:
        a, b, carry = rng.randint(0, 9), rng.randint(0, 9), rng.randint(0, 1)
        return drill(rng, "addition", [f"{a}+{b}={a + b}", f"{a}+{b}+{carry}={a + b + carry}"])
    a, b = rng.randint(0, 99), rng.randint(0, 99)
    asks = ["What is {a} + {b}?", "Calculate {a} + {b}.", "What is the sum of {a} and {b}?",
            "Add {a} and {b}.", "How much is {a} plus {b}?", "{a} + {b} = ?", "{a} + {b}"]
    ask = rng.choice(asks).format(a=a, b=b)
    units = a % 10 + b % 10
    tens = a // 10 + b // 10 + units // 10
    answer = (f"{a % 10}+{b % 10}={units}, {a // 10}+{b // 10}+{units // 10}={tens}. "
              f"The answer is {a + b}.")
    content = f"add {min(a, b)} {max(a, b)}"
    return Question("addition", content, ask, answer, number_is(a + b))


def subtraction(rng, invent):
    if invent and rng.random() < DRILL_SHARE:
        b, rest, top = rng.randint(0, 9), rng.randint(0, 9), rng.randint(0, 9)
        borrow = rng.randint(0, min(1, top))
        less = rng.randint(0, top - borrow)
        return drill(rng, "subtraction", [f"{b + rest}-{b}={rest}",
                                          f"{top}-{less}-{borrow}={top - less - borrow}"])
    a, b = rng.randint(0, 99), rng.randint(0, 99)
    a, b = max(a, b), min(a, b)
    asks = ["What is {a} - {b}?", "Calculate {a} - {b}.", "Subtract {b} from {a}.",
            "How much is {a} minus {b}?", "{a} - {b} = ?", "{a} - {b}"]
    ask = rng.choice(asks).format(a=a, b=b)
    borrow = int(a % 10 < b % 10)
    units = a % 10 + 10 * borrow
    tens = a // 10 - b // 10 - borrow
    answer = (f"{units}-{b % 10}={units - b % 10}, {a // 10}-{b // 10}-{borrow}={tens}. "
              f"The answer is {a - b}.")
    return Question("subtraction", f"sub {a} {b}", ask, answer, number_is(a - b))


def comparison(rng, invent):
    low, high = (0, 99) if rng.random() < 0.7 else (100, 999)
    a, b = rng.sample(range(low, high + 1), 2)
    word = rng.choice(["larger", "smaller"])
    best, other = (max(a, b), min(a, b)) if word == "larger" else (min(a, b), max(a, b))
    asks = [f"Which is {word}, {a} or {b}?", f"Which number is {word}: {a} or {b}?",
            f"What is {word}, {a} or {b}?", f"Tell me which is {word}, {a} or {b}."]
    answer = f"{best} is {word} than {other}."
    return Question("comparison", f"compare {min(a, b)} {max(a, b)}", rng.choice(asks), answer,
                    equals(answer))


def sorting(rng, invent):
    numbers = rng.sample(range(100), rng.randint(3, 4))
    shown = ", ".join(map(str, numbers))
    down = rng.random() < 0.35
    asks = ([f"Sort these numbers from largest to smallest: {shown}",
             f"Sort in descending order: {shown}"] if down else
            [f"Sort these numbers: {shown}", f"Sort in ascending order: {shown}",
             f"Sort these numbers from smallest to largest: {shown}",
             f"Put these numbers in order: {shown}"])
    answer = ", ".join(map(str, sorted(numbers, reverse=down)))
    content = "sort " + " ".join(map(str, sorted(numbers)))
    return Question("sorting", content, rng.choice(asks), answer, contains(answer))


def counting(rng, invent):
    low, length = rng.randint(0, 94), rng.randint(3, 6)
    run = list(range(low, low + length))
    down = rng.random() < 0.35
    if down:
        run.reverse()
    a, b = run[0], run[-1]
    asks = [f"Count down from {a} to {b}."] if down else [
        f"Count from {a} to {b}.", f"List the numbers from {a} to {b}."]
    answer = ", ".join(map(str, run))
    return Question("counting", f"count {low} {length}", rng.choice(asks), answer, contains(answer))


def parity(rng, invent):
    n = rng.randint(0, 999) if rng.random() < 0.6 else rng.randint(0, 99)
    asks = [f"Is {n} even or odd?", f"Is the number {n} odd or even?",
            f"Tell me if {n} is even or odd."]
    answer = f"{n} is {'odd' if n % 2 else 'even'}."
    return Question("parity", f"parity {n}", rng.choice(asks), answer, equals(answer))


def spelling(rng, invent):
    word = draw_word(rng, invent)
    shown = f'"{word}"'
    asks = [f"Spell the word {shown}.", f"How do you spell {shown}?", f"Spell {shown}.",
            f"Spell {shown} letter by letter."]
    answer = "-".join(word)
    return Question("spelling", f"word {word}", rng.choice(asks), answer, contains(answer))


def reversing(rng, invent):
    word = draw_word(rng, invent)
    shown = f'"{word}"'
    asks = [f"Reverse the word {shown}.", f"Write {shown} backwards.", f"Reverse {shown}.",
            f"What is {shown} spelled backwards?"]
    answer = word[::-1]
    return Question("reversing", f"word {word}", rng.choice(asks), answer, equals(answer))


def letter_counting(rng, invent):
    """The answer goes along the word first: the wanted letter beside each letter, and the count.

    A small model cannot count at a glance, nor compare two letters that are far apart.
    """
    word = draw_word(rng, invent)
    letter = rng.choice(word) if rng.random() < 0.85 else rng.choice("aeiourstln")
    shown = f'"{word}"'
    asks = [f'How many times does the letter "{letter}" appear in {shown}?',
            f'How often does "{letter}" appear in {shown}?',
            f'Count the letter "{letter}" in {shown}.']
    counts = [word[: i + 1].count(letter) for i in range(len(word))]
    along = "-".join(f"{letter}{c}{n}" for c, n in zip(word, counts))
    return Question("letter_counting", f"word {word}", rng.choice(asks),
                    f"{along}. The answer is {counts[-1]}.", number_is(counts[-1]))


def word_length(rng, invent):
    word = draw_word(rng, invent)
    shown = f'"{word}"'
    asks = [f"How many letters are in {shown}?", f"How many letters does {shown} have?",
            f"Count the letters in {shown}."]
    along = "-".join(f"{c}{i + 1}" for i, c in enumerate(word))
    return Question("word_length", f"word {word}", rng.choice(asks),
                    f"{along}. The answer is {len(word)}.", number_is(len(word)))


def letter_at(rng, invent):
    word = draw_word(rng, invent)
    shown = f'"{word}"'
    name, index = rng.choice([("first", 0), ("second", 1), ("third", 2), ("last", -1)])
    asks = [f"What is the {name} letter of {shown}?", f"Tell me the {name} letter of {shown}.",
            f"Which letter is the {name} letter of {shown}?"]
    answer = f'The {name} letter is "{word[index]}".'
    return Question("letter_at", f"word {word}", rng.choice(asks), answer, equals(answer))


def calendar(rng, family, unit, names, extra):
    """Weekdays or months: the answer walks step by step, then names where it arrived."""
    start, steps = rng.randrange(len(names)), rng.randint(1, 6)
    sign, word = rng.choice([(1, "after"), (-1, "before")])
    walk = [names[(start + sign * i) % len(names)] for i in range(1, steps + 1)]
    units = unit if steps == 1 else unit + "s"
    asks = [f"What {unit} is {steps} {units} {word} {names[start]}?",
            f"Which {unit} comes {steps} {units} {word} {names[start]}?",
            f"Name the {unit} {steps} {units} {word} {names[start]}."]
    asks += extra(names[start], steps, units, sign)
    if steps == 1:
        asks.append(f"What {unit} comes {word} {names[start]}?")
    along = ", ".join(f"{i + 1} {name}" for i, name in enumerate(walk))
    return Question(family, f"{family} {start} {sign * steps}", rng.choice(asks),
                    f"{along}. It is {walk[-1]}.", contains(f"It is {walk[-1]}."))


def weekday(rng, invent):
    def extra(name, steps, units, sign):
        if sign > 0:
            return [f"If today is {name}, what day is it in {steps} {units}?"]
        return [f"If today is {name}, what day was it {steps} {units} ago?"]
    return calendar(rng, "weekday", "day", WEEKDAYS, extra)


def month(rng, invent):
    return calendar(rng, "month", "month", MONTHS, lambda *unused: [])


def capital(rng, invent):
    country = rng.choice(list(CAPITALS))
    city = CAPITALS[country]
    asks = [f"What is the capital of {country}?", f"Name the capital of {country}.",
            f"Which city is the capital of {country}?", f"Tell me the capital of {country}."]
    if rng.random() < 0.25:
        asks = [f"{city} is the capital of which country?",
                f"Which country has the capital {city}?"]
        ask = rng.choice(asks)
        answer = f"{city} is the capital of {country}."
        return Question("capital", ask, ask, answer, contains(country))
    ask = rng.choice(asks)
    return Question("capital", ask, ask, f"The capital of {country} is {city}.", contains(city))


def fact(rng, invent):
    answer, key, *asks = rng.choice(FACTS)
    ask = rng.choice(asks)
    return Question("fact", ask, ask, answer, contains(key))


def conversion(rng, invent):
    large, small, factor = rng.choice(UNITS)
    n = rng.randint(2, 99)
    a, b, x, y = large, small, n, n * factor
    if rng.random() < 0.4:
        a, b, x, y = small, large, n * factor, n
    asks = [f"Convert {x} {a} to {b}.", f"How many {b} are {x} {a}?", f"What is {x} {a} in {b}?"]
    return Question("conversion", f"convert {large} {small} {n}", rng.choice(asks),
                    f"{x} {a} = {y} {b}", contains(f"= {y} {b}"))


def upper_case(rng, invent):
    word = draw_word(rng, invent)
    shown = f'"{word}"'
    asks = [f"Write {shown} in upper case.", f"Write {shown} in capital letters.",
            f"Convert {shown} to upper case."]
    return Question("upper_case", f"word {word}", rng.choice(asks), word.upper(),
                    equals(word.upper()))


def repeating(rng, invent):
    word, times = draw_word(rng, invent), rng.randint(2, 3)
    shown = f'"{word}"'
    asks = [f"Repeat the word {shown} {times} times.", f"Write {shown} {times} times.",
            f"Say {shown} {times} times."]
    answer = "\n".join([word] * times)
    return Question("repeating", f"word {word}", rng.choice(asks), answer, equals(answer))


def json_object(rng, invent):
    word, n = draw_word(rng, invent), rng.randint(0, 99)
    asks = [f'Give me JSON with the key "{word}" and the value {n}.',
            f'Write a JSON object with the key "{word}" and the value {n}.',
            f'Answer in JSON: the key is "{word}", the value is {n}.']
    return Question("json", f"word {word}", rng.choice(asks), f'{{"{word}": {n}}}',
                    {"rule": "json", "value": {word: n}})


def memory(rng, invent):
    """Needs the earlier turn of the conversation."""
    name = rng.choice(NAMES)
    if invent and rng.random() < 0.5:
        name = draw_word(rng, True).capitalize()
    told = rng.choice([f"My name is {name}.", f"Hello, my name is {name}.", f"I am {name}."])
    ask = rng.choice(["What is my name?", "Who am I?", "Tell me my name."])
    answer = f"Your name is {name}."
    return Question("memory", f"name {name}", ask, answer, equals(answer),
                    [(told, f"Nice to meet you, {name}!")])


FAMILIES = {f.__name__ if f is not json_object else "json": f for f in (
    addition, subtraction, comparison, sorting, counting, parity, spelling, reversing,
    letter_counting, word_length, letter_at, weekday, month, capital, fact, conversion,
    upper_case, repeating, json_object, memory)}


def draw(rng, family, held_out):
    """Draws one question of a family from the wanted side of the split."""
    while True:
        question = FAMILIES[family](rng, invent=not held_out)
        if is_held_out(question.content) == held_out:
            return question


def held_out_set(per_family, seed=7):
    """A fixed list of distinct held-out questions, grouped by family."""
    rng = random.Random(seed)
    chosen = []
    for family in FAMILIES:
        seen = {}
        for _ in range(per_family * 40):
            question = draw(rng, family, held_out=True)
            seen.setdefault((question.ask, str(question.history)), question)
            if len(seen) == per_family:
                break
        chosen += seen.values()
    return chosen
