"""`MethodComparison`: the result of a comparison, as comparison.json holds it and reports read it.

Shares, accuracies and scores are in [0, 1], KL divergences in nats. An undefined number is None.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfcorrect_agents.comparison.plan.config import EnvConfig, ScalingConfig
from selfcorrect_agents.comparison.plan.typed_values import build
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_env.evaluation import replacing

COMPARISON_FILE = "comparison.json"

TRANSITIONS: tuple[str, ...] = ("c->c", "i->c", "c->i", "i->i", "unjudged")
"""Keys of `DecodingMetrics.transitions`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A metric: its mean over seeds with a 95% interval, and its value for each seed."""

    value: float | None
    """The mean over seeds; None if it is undefined for one of them."""
    low: float | None = None
    """Lower end of the interval; None if there is none."""
    high: float | None = None
    """Upper end of the interval."""
    seeds: tuple[float | None, ...] = ()
    """One value for each seed, in the comparison's order."""

    @property
    def known(self) -> tuple[float, ...]:
        """All numbers of it that are defined: mean, ends of the interval, values of the seeds."""
        numbers = (self.value, self.low, self.high, *self.seeds)
        return tuple(number for number in numbers if number is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditHistogram:
    """The distribution of the edit-distance ratio over the problems of all seeds, without episodes
    that lack a reply."""

    edges: tuple[float, ...]
    """n + 1 edges of the bins."""
    counts: tuple[int, ...]
    """n numbers of episodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingMetrics:
    """What a method reached with one way of decoding, on the held-out problems.

    The metrics of a change are from the first attempt to the last. They are None if an episode
    has one attempt.
    """

    accuracy: tuple[MetricValue, ...]
    """Acc@t1 … Acc@tK, over the episodes that were judged."""
    unjudged_wrong: tuple[MetricValue, ...] = ()
    """Acc@t1 … Acc@tK over all episodes, with every unjudged attempt counted as wrong; empty unless
    an episode of the comparison was not judged."""
    unjudged_right: tuple[MetricValue, ...] = ()
    """The same with every unjudged attempt counted as right, or empty."""
    mean_score: tuple[MetricValue, ...] = ()
    """The mean score of attempts 1 … K; empty unless the verifier gave partial credit."""
    delta: MetricValue | None = None
    """Acc@tK − Acc@t1."""
    successive: tuple[MetricValue, ...] = ()
    """Acc@t2 − Acc@t1, Acc@t3 − Acc@t2 …; empty if an episode has fewer than three attempts."""
    delta_i_to_c: MetricValue | None = None
    """Share of all problems that are wrong at t1 and right at tK."""
    delta_c_to_i: MetricValue | None = None
    """Share of all problems that are right at t1 and wrong at tK."""
    unchanged_answers: MetricValue | None = None
    """Share of the episodes whose last extracted answer equals the first."""
    edit_distance_ratio: MetricValue | None = None
    """Edit distance of the first and the last reply, divided by their total length."""
    transitions: Mapping[str, float]
    """One of `TRANSITIONS` -> share of the episodes."""
    edit_histogram: EditHistogram | None = None
    """Of the edit-distance ratio."""
    tokens: tuple[float, ...] | None = None
    """Mean number of sampled tokens of attempts 1 … K; None if the agent did not count them."""

    @property
    def ranking(self) -> tuple[MetricValue, ...]:
        """Acc@t1 … Acc@tK by which methods are ranked and seeds arrive: over all episodes, with
        unjudged attempts counted as wrong."""
        return self.unjudged_wrong or self.accuracy

    def named(self) -> dict[str, MetricValue | None]:
        """Return every metric by its name: ``accuracy_t1`` …, ``mean_score_t1`` …, ``delta`` …"""
        values: dict[str, MetricValue | None] = {}
        for name, turns in (
            ("accuracy", self.accuracy),
            ("accuracy_unjudged_wrong", self.unjudged_wrong),
            ("accuracy_unjudged_right", self.unjudged_right),
            ("mean_score", self.mean_score),
        ):
            values |= {f"{name}_t{turn}": value for turn, value in enumerate(turns, start=1)}
        values["delta"] = self.delta
        for turn, value in enumerate(self.successive, start=1):
            values[f"delta_t{turn}_t{turn + 1}"] = value
        return values | {name: getattr(self, name) for name in CHANGES}


CHANGES = ("delta_i_to_c", "delta_c_to_i", "unchanged_answers", "edit_distance_ratio")
"""Metrics of what the last attempt changed in the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingMetrics:
    """Accuracy against the number of replies to a problem, drawn in two ways.

    Each tuple has one entry for each number of ``replies``. ``parallel`` spends all of them on
    first attempts; ``sequential`` on whole episodes of K attempts, of which the last answers
    count. ``sequential`` is empty if an episode has one attempt. ``equal_tokens`` are as many first
    attempts as the episodes of ``sequential`` have tokens for; it is empty if tokens were not
    counted, and undefined where it would need more samples than were drawn.
    """

    replies: tuple[int, ...]
    """Numbers of replies: K, 2K, 4K …"""
    parallel: tuple[MetricValue, ...]
    """maj@k of first attempts."""
    sequential: tuple[MetricValue, ...]
    """maj@k of last attempts."""
    pass_parallel: tuple[MetricValue, ...]
    """pass@k of first attempts."""
    pass_sequential: tuple[MetricValue, ...]
    """pass@k of last attempts."""
    equal_tokens: tuple[MetricValue, ...] = ()
    """maj@k of first attempts, as many as cost the tokens of ``sequential``."""
    pass_equal_tokens: tuple[MetricValue, ...] = ()
    """pass@k of the same."""
    first_tokens: float | None = None
    """Mean number of tokens of a first attempt."""
    episode_tokens: float | None = None
    """Mean number of tokens of an episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Which seeds of a method arrive: their last attempt's accuracy, with every unjudged attempt
    counted as wrong, is at least a level."""

    seeds: tuple[bool, ...]
    """Whether each seed arrived, in the comparison's order, on the held-out problems."""
    share: MetricValue
    """Of the seeds that arrived, with its Clopper–Pearson interval."""
    level: MetricValue | None = None
    """Accuracy at the last attempt of the seeds that arrived, with an interval if there are two or
    more; None if none did."""
    episodes: tuple[float | None, ...] = ()
    """Training episodes until each seed that arrived first reached the level in training, or all of
    its episodes where it reached it on the held-out problems alone; None for a seed that did not
    arrive, or whose training log counts no episodes."""

    @property
    def count(self) -> int:
        """Number of seeds that arrived."""
        return sum(self.seeds)

    @property
    def mixed(self) -> bool:
        """Whether some seeds arrived and others did not."""
        return 0 < self.count < len(self.seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalPair:
    """Two methods compared seed by seed: which arrives, and which earlier."""

    first: str
    """The name of a method."""
    second: str
    """The name of another one."""
    decoding: str
    """How the held-out problems were answered."""
    earlier_first: int
    """Seeds in which the first arrived earlier in training, or alone. Seeds whose episodes are not
    known are in neither count."""
    earlier_second: int
    """Seeds in which the second did."""
    p_earlier: float
    """Of neither being earlier: the exact sign test, two-sided, over these seeds."""
    ratio: float | None
    """Median over the seeds in which both arrived of the first's episodes / the second's, taken of
    their logarithms, so that the ratio of the second to the first is its inverse."""
    only_first: int
    """Seeds in which only the first arrived on the held-out problems."""
    only_second: int
    """Seeds in which only the second did."""
    p_arrived: float
    """Of equal shares of arrivals: McNemar's exact test, two-sided, over the seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one seed of a method took, mean over seeds."""

    episodes: float | None
    """Training episodes; None if the training log does not count them."""
    tokens: float | None
    """Tokens sampled in training; None if the training log does not count them."""
    gradient_tokens: float | None = None
    """Tokens of the forward and backward passes of training, prompts included; None if the training
    log does not count them."""
    training_seconds: float
    """Wall-clock time of the training."""
    seconds: float
    """Wall-clock time of training, measuring and the samples for scaling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMethod:
    """One method of the comparison, over all seeds."""

    name: str
    """Its label in tables."""
    agent: str
    """The name of its agent."""
    summary: str = ""
    """One line about it."""
    oracle: bool = False
    """Whether it sees what no model may see, such as whether its first attempt is right."""
    instrument: bool = False
    """Whether it is a reference agent with known results, which is never called the best."""
    trained: bool = False
    """Whether it learns."""
    learning: Mapping[str, Any]
    """The settings of its training that differ from its preset."""
    play: Mapping[str, Any]
    """The settings of its agent that differ from the defaults."""
    preset: str | None = None
    """Its preset, if it was given one of its own."""
    metrics: Mapping[str, DecodingMetrics]
    """By decoding."""
    kl: tuple[MetricValue | None, ...] = ()
    """KL divergence to the base at attempts 1 … K: of the replies sampled in training, mean of the
    last tenth of the log; None if it was not logged. Empty for a method that does not learn."""
    spent: Spent
    """Episodes, tokens and time."""
    curves: Mapping[str, tuple[Mapping[str, float], ...]]
    """Seed -> rows of the training log."""
    scaling: ScalingMetrics | None = None
    """Of many samples, if the method was sampled."""
    arrivals: Mapping[str, Arrivals] = field(default_factory=dict)
    """By decoding; empty unless the comparison has a level of arrival."""

    @property
    def ranked(self) -> bool:
        """Whether it may be called the best: oracles and instruments may not."""
        return not (self.oracle or self.instrument)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPair:
    """A paired test of two methods at the last attempt, on the same problems."""

    first: str
    """The name of a method."""
    second: str
    """The name of another one."""
    decoding: str
    """How both were decoded."""
    difference: MetricValue
    """Acc@tK of the second minus that of the first."""
    unjudged_wrong: MetricValue | None = None
    """The same over all problems, with every unjudged attempt counted as wrong; None unless an
    episode of the comparison was not judged."""
    only_first: int
    """(Seed, problem) pairs that only the first gets right."""
    only_second: int
    """(Seed, problem) pairs that only the second gets right."""
    p_value: float | None
    """Of no difference, two-sided, not corrected for the number of pairs."""
    p_holm: float | None = None
    """The same, corrected by Holm's method for all pairs of this way of decoding."""
    p_unjudged_wrong: float | None = None
    """``p_value`` of the difference ``unjudged_wrong``; None where that is None."""
    p_holm_unjudged_wrong: float | None = None
    """``p_holm`` of the same."""
    problems: int
    """Problems that both were judged on in every seed."""

    @property
    def ranking(self) -> tuple[MetricValue, float | None]:
        """The difference of what methods are ranked by (`DecodingMetrics.ranking`), and its p-value
        by Holm's method."""
        if self.unjudged_wrong is None:
            return self.difference, self.p_holm
        return self.unjudged_wrong, self.p_holm_unjudged_wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredOn:
    """What every method was measured on."""

    problem_set: str
    """Name of the problem set."""
    split: str
    """Its split."""
    size: int
    """Number of problems in it."""
    fingerprint: str
    """Hash of its content."""
    problems: int
    """Number of problems that were measured: the first ones."""
    verifier: str
    """Name of the verifier."""
    prompts: str
    """Name of the prompts."""
    attempts: int
    """Attempts in an episode (K), at least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodComparison:
    """Methods compared on the same problems over several seeds."""

    title: str
    """Title of tables and page."""
    created: str
    """When it was put together: ISO 8601, UTC."""
    measured: MeasuredOn
    """What every method was measured on."""
    model: str
    """The base model; ``{seed}`` is replaced by the seed."""
    device: str
    """Where models ran."""
    loading: Mapping[str, Any] = field(default_factory=dict)
    """How it is loaded to be trained: the further fields of `ModelConfig` that differ from its
    defaults, by flat name (``lora.rank``)."""
    preset: str = ""
    """The preset of every method that has none of its own."""
    max_new_tokens: int
    """Token cap of one reply."""
    train: EnvConfig
    """Where methods were trained."""
    test: EnvConfig
    """Where methods were measured."""
    episodes: int | None
    """The budget of training episodes; None if each method had its own."""
    seeds: tuple[int, ...]
    """Each trained every method once."""
    decodings: tuple[str, ...]
    """How every method was measured."""
    base: str | None
    """Name of the untrained base model's row."""
    reference: str | None
    """Name of the row that all others are paired with, beside the base's."""
    scaling: ScalingConfig | None
    """How many samples were drawn for `ComparedMethod.scaling`."""
    intervals: str
    """How the intervals were computed."""
    test_of_pairs: str
    """How the pairs were tested."""
    notes: tuple[str, ...]
    """What a reader must know, a sentence each."""
    left_out: tuple[str, ...]
    """Names of methods without results, because a run of theirs failed."""
    methods: tuple[ComparedMethod, ...]
    """At least one."""
    pairs: tuple[MethodPair, ...]
    """The paired tests."""
    arrival: float | None = None
    """The accuracy at the last attempt from which a seed has arrived; None if none was given."""
    arrival_pairs: tuple[ArrivalPair, ...] = ()
    """The pairs compared seed by seed; empty without a level of arrival."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """Name of each base model -> what identifies its weights."""
    instructions: tuple[str, ...] = ()
    """The vector instructions of the processors that cells ran on, as torch names them
    (``AVX2``)."""

    def __post_init__(self) -> None:
        if not self.methods:
            raise ValueError("A comparison needs at least one method.")

    @property
    def attempts(self) -> int:
        """Attempts in an episode (K)."""
        return self.measured.attempts

    @property
    def base_model(self) -> str:
        """The base model and how it is loaded, as text."""
        how = ", ".join(f"{name} {value}" for name, value in self.loading.items())
        return f"{self.model} ({how})" if how else self.model

    @property
    def weights(self) -> str:
        """What identifies the weights of all base models: the hash of the one, or of the hashes of
        several; empty if they were not identified."""
        known = [hash_ for hash_ in self.bases.values() if hash_]
        if len(set(known)) < 2:
            return known[0] if known else ""
        return hashlib.sha256("\n".join(sorted(known)).encode()).hexdigest()[:16]

    def arrives(self, decoding: str) -> bool:
        """Whether a seed of a trained method arrives: outcomes then are of two kinds, and means
        over several seeds have no intervals."""
        trained = (method for method in self.methods if method.trained)
        return any(m.arrivals[decoding].count for m in trained if decoding in m.arrivals)

    @property
    def unjudged(self) -> bool:
        """Whether an episode was not judged, so that accuracies are shown both ways."""
        return any(metrics.unjudged_wrong for m in self.methods for metrics in m.metrics.values())

    @property
    def partial_credit(self) -> bool:
        """Whether the verifier gave partial credit, so that mean scores are shown."""
        return any(metrics.mean_score for m in self.methods for metrics in m.metrics.values())


def write_comparison(path: Path, comparison: MethodComparison) -> None:
    """Write ``comparison`` as JSON: all of it or nothing."""
    text = json.dumps(asdict(comparison), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", "utf-8")


def read_comparison(path: str | Path) -> MethodComparison:
    """Read what `write_comparison` wrote.

    Raises:
        ComparisonError: the file cannot be read, or is no such file; the message names the key.
    """
    try:
        values = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ComparisonError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise ComparisonError(f"{path}: expected a JSON object, got {type(values).__name__}.")
    return build(MethodComparison, values, str(path))
