"""A game of two turns of which every episode can be written down, and a policy that is a table.

Three tokens, one of which ends a reply: with a cap of two tokens there are seven replies of one or
two tokens. The policy has a row of logits for every prefix. `Table` has the part of `Policy` that
the update uses; `Game` also computes exact gradients, in NumPy and by finite differences, so that
nothing of the code under test has a part in them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from selfcorrect_agents.lm.decoders import PackedRows
from selfcorrect_agents.lm.learner import Learner
from selfcorrect_agents.rl.rollout import Rollout

END, START, ASK = 0, 3, 4
TOKENS = 3


def replies(cap: int) -> Iterator[tuple[int, ...]]:
    """Every reply: it stops at its first END, or at the cap."""
    if cap == 0:
        yield ()
        return
    yield (END,)
    for token in (1, 2):
        for rest in replies(cap - 1):
            yield (token, *rest)


def code(tokens: Sequence[int]) -> int:
    """A number for a sequence of tokens."""
    number = 0
    for token in tokens:
        number = 8 * number + token + 1
    return number


class Game:
    """Two turns of at most ``caps`` tokens each.

    Axes: E episodes, P prefixes at which a token is drawn, C columns of tokens.
    """

    def __init__(self, caps: tuple[int, int] = (2, 1)) -> None:
        self.caps = caps
        self.episodes = list(itertools.product(*map(replies, caps)))
        rows = [list(self._drawn(episode)) for episode in self.episodes]
        self.prefixes = list(dict.fromkeys(p for row in rows for _, p, _ in row))
        self.owner = np.array([ASK in prefix for prefix in self.prefixes], dtype=int)
        """(P,) the turn in which the token after a prefix is drawn."""
        self.place = np.zeros((len(rows), sum(caps)), dtype=int)
        """(E, C) the prefix of each token."""
        self.token = np.zeros_like(self.place)
        self.mask = np.zeros(self.place.shape, dtype=bool)
        self.turn = np.repeat([0, 1], caps)
        for e, row in enumerate(rows):
            for column, prefix, token in row:
                self.place[e, column] = self.prefixes.index(prefix)
                self.token[e, column] = token
                self.mask[e, column] = True
        rng = np.random.default_rng(11)
        worth = [{reply: rng.random() for reply in replies(cap)} for cap in caps]
        self.scores = np.array([[worth[t][e[t]] for t in (0, 1)] for e in self.episodes])
        """(E, 2) r(y_t), different for every reply."""

    def _drawn(
        self, episode: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, tuple[int, ...], int]]:
        """The column, the prefix and the token of everything that an episode's policy drew."""
        before: tuple[int, ...] = (START,)
        for turn, reply in enumerate(episode):
            before = (*before, ASK) if turn else before
            for i, token in enumerate(reply):
                yield turn * self.caps[0] + i, before, token
                before = (*before, token)

    # -- exact numbers, in NumPy --------------------------------------------------------
    def logps(self, table: np.ndarray) -> np.ndarray:
        """(E, C) log-probability of every token of every episode; 0 on padding."""
        rows = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
        return np.where(self.mask, rows[self.place, self.token], 0.0)

    def turns(self, values: np.ndarray) -> np.ndarray:
        """(E, C) -> (E, 2): sums over each turn."""
        return np.stack([values[:, self.turn == t].sum(axis=1) for t in (0, 1)], axis=1)

    def probabilities(self, table: np.ndarray) -> np.ndarray:
        """(E,) probability of each episode."""
        return np.exp(self.logps(table).sum(axis=1))

    def visits(self, table: np.ndarray) -> np.ndarray:
        """(P,) probability that a prefix is reached."""
        chance = np.zeros(len(self.prefixes))
        weight = self.probabilities(table)[:, None] * self.mask
        np.add.at(chance, self.place, weight)
        return chance

    def slope(self, value: Callable[[np.ndarray, int], float], table: np.ndarray) -> np.ndarray:
        """(P, 3) gradient by central differences: each row of the table that of its own turn.

        ``value(table, turn)`` is what the tokens of that turn are to maximise. Rows of the turns
        before stay as they are, so what a turn is asked in is not its own doing.
        """
        gradient = np.zeros_like(table)
        for place in np.ndindex(*table.shape):
            moved = [table.copy(), table.copy()]
            moved[0][place] += 1e-5
            moved[1][place] -= 1e-5
            turn = int(self.owner[place[0]])
            gradient[place] = (value(moved[0], turn) - value(moved[1], turn)) / 2e-5
        return gradient

    # -- for the code under test --------------------------------------------------------
    def deck(self, table: np.ndarray) -> list[int]:
        """Episodes, each as often as its probability says; for tables of `dyadic` alone."""
        units = 4 ** sum(self.caps)
        counts = self.probabilities(table) * units
        assert np.allclose(counts, counts.round(), atol=1e-9)
        return [e for e, count in enumerate(counts.round().astype(int)) for _ in range(count)]

    def pairs(self, table: np.ndarray) -> list[int]:
        """All pairs of independent episodes, one after the other, each as often as it is likely.

        A batch of them has for its mean the expectation over two samples of one problem, exactly.
        """
        return [e for pair in itertools.product(self.deck(table), repeat=2) for e in pair]

    def rollout(self, rows: Sequence[int], behaviour: np.ndarray, samples: int = 2) -> Rollout:
        """The episodes ``rows`` as a `Rollout` that ``behaviour`` sampled."""
        first = self.caps[0]
        columns = [1 + c + (c >= first) for c in range(sum(self.caps))]
        ids = np.full((len(rows), 2 + sum(self.caps)), END)
        ids[:, 0], ids[:, 1 + first] = START, ASK
        attention = np.ones(ids.shape, dtype=bool)
        ids[:, columns], attention[:, columns] = self.token[rows], self.mask[rows]
        return Rollout(
            ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(attention),
            columns=torch.tensor(columns),
            sampled=torch.from_numpy(self.token[rows]),
            turn=torch.from_numpy(self.turn),
            mask=torch.from_numpy(self.mask[rows]),
            logps=torch.from_numpy(self.logps(behaviour)[rows]),
            scores=torch.from_numpy(self.scores[rows]),
            judged=torch.ones(len(rows), dtype=torch.bool),
            samples=samples,
            temperature=1.0,
            episodes=(),
        )


def dyadic(game: Game, seed: int) -> np.ndarray:
    """(P, 3) logits whose probabilities are 1/2, 1/4 and 1/4, in an order drawn for each row."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation([0.5, 0.25, 0.25]) for _ in game.prefixes]
    return np.log(rows) + rng.normal(size=(len(rows), 1))  # softmax knows no constant


def anything(game: Game, seed: int) -> np.ndarray:
    """(P, 3) logits, normal."""
    return np.random.default_rng(seed).normal(size=(len(game.prefixes), TOKENS))


class Table:
    """A policy that is a table of logits: a `Scorer`."""

    def __init__(self, game: Game, logits: np.ndarray) -> None:
        order = sorted(range(len(game.prefixes)), key=lambda p: code(game.prefixes[p]))
        self.codes = torch.tensor([code(game.prefixes[p]) for p in order])
        self.order = torch.tensor(order)
        self.model = torch.nn.Embedding.from_pretrained(torch.tensor(logits), freeze=False)

    vocab_size = TOKENS

    def packed_hidden(self, packed: PackedRows) -> Tensor:
        """(N, 3) the logits of the token after each packed one; anything after the last."""
        ids, mask = packed.rows()
        number, numbers = torch.zeros_like(ids[:, 0]), []
        for column in range(ids.shape[1]):
            longer = 8 * number + ids[:, column] + 1
            number = torch.where(mask[:, column], longer, number)
            numbers.append(number)
        found = torch.searchsorted(self.codes, torch.stack(numbers, dim=1))
        places = self.order[found.clamp(max=len(self.order) - 1)]
        return self.model(places[packed.tokens_of_rows()])

    def head(self, hidden: Tensor) -> Tensor:
        """(…, 3) logits, passed on."""
        return hidden

    linear_head = None
    head_weights: Sequence[Tensor] = ()


def kept_gradients(learner: Learner) -> list[Tensor]:
    """Return a list that is filled with the gradients of the learner's next step."""
    kept: list[Tensor] = []

    def keep(optimizer: torch.optim.Optimizer, *_: object) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        kept[:] = [weight.grad.clone() for weight in weights if weight.grad is not None]

    learner.optimizer.register_step_pre_hook(keep)
    return kept


def sgd(policy: Table, learning_rate: float) -> Learner:
    """Plain gradient descent, without clipping."""
    optimizer = torch.optim.SGD(policy.model.parameters(), lr=learning_rate)
    return Learner(policy.model, optimizer, max_grad_norm=1e9)
