"""Draws training conversations and packs them into rows of a fixed length.

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
    wanted = rng.choice([1, 1, 1, 2, 3, turns_max])
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


def texts(conversation):
    system, turns = conversation
    return ([system] if system else []) + [text for turn in turns for text in turn]


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


class Packer:
    """Fills rows of `length` tokens with whole conversations.

    What does not fit waits for the next row, so almost nothing is padding.
    """

    def __init__(self, tokenizer, rng, length, turns_max):
        self.tokenizer, self.rng = tokenizer, rng
        self.length, self.turns_max = length, turns_max
        self.weights = {}
        self.waiting = []

    def row(self):
        """Returns ids, learnt flags and conversation numbers (-1 for padding), each of `length`."""
        ids, learnt, owner = [], [], []
        misses, number = 0, 0
        while misses < 6:
            room = self.length - len(ids)
            fitting = [i for i, (t, _) in enumerate(self.waiting) if len(t) <= room]
            if fitting and (misses or len(self.waiting) > 20):
                chosen = self.waiting.pop(max(fitting, key=lambda i: len(self.waiting[i][0])))
            else:
                chosen = encode(self.tokenizer, draw_conversation(self.rng, self.weights,
                                                                  self.turns_max))
                if len(chosen[0]) > room:
                    misses += 1
                    if len(chosen[0]) <= self.length and len(self.waiting) < 60:
                        self.waiting.append(chosen)
                    continue
            ids += chosen[0]
            learnt += chosen[1]
            owner += [number] * len(chosen[0])
            number += 1
        rest = self.length - len(ids)
        return ids + [PAD] * rest, learnt + [0] * rest, owner + [-1] * rest
