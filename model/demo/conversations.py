"""Draws training conversations and cuts batches of them.

A conversation is an optional system message and one or more question and answer turns. It is
rendered as the chat template renders it. Only what the assistant says carries a loss.
"""

import questions
from lexicon import SMALL_TALK, SYSTEM_MESSAGES

BOS, EOS, PAD = 0, 1, 2


def draw_conversation(rng, weights=None, turns_max=4):
    """Returns (system message or "", [(user, assistant), ...])."""
    system = rng.choice(SYSTEM_MESSAGES) if rng.random() < 0.15 else ""
    names = list(questions.FAMILIES)
    weights = [(weights or {}).get(name, 1.0) for name in names]
    turns = []
    # Most people ask one thing; the longer chats teach that earlier turns change nothing.
    wanted = rng.choice([1, 1, 1, 1, 2, turns_max])
    while len(turns) < wanted:
        if rng.random() < 0.06:
            answer, asks = rng.choice(SMALL_TALK)
            turns.append((rng.choice(asks), answer))
            continue
        question = questions.draw(rng, rng.choices(names, weights)[0], held_out=False)
        turns += question.history
        if question.history and rng.random() < 0.3:
            other = questions.draw(rng, rng.choices(names, weights)[0], held_out=False)
            if not other.history:
                turns.append((other.ask, other.answer))
        turns.append((question.ask, question.answer))
    return system, turns


def encode(tokenizer, conversation):
    """Token ids of a conversation, and for each whether it is to be learnt (1) or given (0)."""
    system, turns = conversation
    user, assistant = tokenizer.added["<｜User｜>"], tokenizer.added["<｜Assistant｜>"]
    ids = [BOS] + tokenizer.encode_plain(system)
    learnt = [0] * len(ids)
    for ask, answer in turns:
        given = [user] + tokenizer.encode_plain(ask) + [assistant]
        said = tokenizer.encode_plain(answer) + [EOS]
        ids += given + said
        learnt += [0] * len(given) + [1] * len(said)
    return ids, learnt


def prompt_of(tokenizer, question):
    """The ids up to where the model has to answer, and the ids that it should say."""
    ids, _ = encode(tokenizer, ("", [*question.history, (question.ask, question.answer)]))
    answer = tokenizer.encode_plain(question.answer) + [EOS]
    return ids[:-len(answer)], answer


class Pool:
    """A stock of encoded conversations, sorted by length, from which batches are cut.

    A batch holds conversations of nearly the same length, one a row. So there is hardly any
    padding, and attention never spans two conversations only to be masked.
    """

    def __init__(self, tokenizer, rng, size=400):
        self.tokenizer, self.rng, self.size = tokenizer, rng, size
        self.weights = {}
        self.stock = []

    def refill(self):
        while len(self.stock) < self.size:
            turns_max = 12 if self.rng.random() < 0.02 else 3
            conversation = draw_conversation(self.rng, self.weights, turns_max)
            self.stock.append(encode(self.tokenizer, conversation))
        self.stock.sort(key=lambda item: len(item[0]))

    def batch(self, tokens):
        """About `tokens` tokens: lists of ids, learnt flags and owners (-1: padding) by row."""
        self.refill()
        # Starting at a random token, not a random row, lets long conversations come up as often
        # as their share of the tokens asks for.
        target = self.rng.random() * sum(len(ids) for ids, _ in self.stock)
        end = 0
        while target > 0:
            target -= len(self.stock[end][0])
            end += 1
        longest = len(self.stock[end - 1][0])
        start = max(0, end - max(1, tokens // longest))
        taken, self.stock[start:end] = self.stock[start:end], []
        rows = []
        for ids, learnt in taken:
            rest = longest - len(ids)
            rows.append((ids + [PAD] * rest, learnt + [0] * rest, [0] * len(ids) + [-1] * rest))
        return zip(*rows)
