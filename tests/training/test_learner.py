"""The learner: gradients that do not depend on how a step is cut (law 6), state that survives saving, helping processes."""

import copy
import random
from dataclasses import replace

import pytest
import torch

from ponder.model.attention import LONG_ANSWER
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import Decoder, build_random, swiglu
from ponder.recipe.stages import Optimizer
from ponder.training import gradients, scoring
from ponder.training import learner as learner_module
from ponder.training.batch import MicroBatch, Sample, divide, kept_weights, micro_batches, pack
from ponder.training.goals import Imitation, Reinforcement
from ponder.training.learner import Learner, learning_rate
from ponder.training.master import MasterWeights
from ponder.training.objectives import OBJECTIVES
from ponder.training.replicas import Replicas

CONFIG = ModelConfig("qwen3", 50, 32, 48, 2, 4, 2, 8, False, False, True, True, 1e-6, 128, RopeConfig())


LONG_CONFIG = replace(CONFIG, max_positions=1024)


def samples() -> list[Sample]:
    """Groups of one to four answers to a prompt, of many lengths."""
    rng = random.Random(0)
    made = []
    for size in (1, 3, 4, 4, 3, 1):
        prompt = [rng.randrange(50) for _ in range(rng.randint(1, 20))]
        for _ in range(size):
            answer = [rng.randrange(50) for _ in range(rng.randint(1, 30))]
            # Tool output inside an answer is not learned.
            mask = [0] * len(prompt) + [1] + [int(rng.random() > 0.2) for _ in answer[1:]]
            logprobs = [-rng.random() * 4 for m in mask if m]
            made.append(Sample(prompt + answer, mask, logprobs, rng.gauss(0, 1)))
    return made


def long_samples() -> list[Sample]:
    """Two groups of four answers, the longest of which make whole rows (`attends_as_rows`)."""
    rng = random.Random(1)
    made = []
    for length in (3, 12):
        prompt = [rng.randrange(50) for _ in range(length)]
        for size in (LONG_ANSWER + 30, 20, LONG_ANSWER, 1):
            answer = [rng.randrange(50) for _ in range(size)]
            logprobs = [-rng.random() * 4 for _ in answer]
            made.append(Sample(prompt + answer, [0] * length + [1] * size, logprobs, rng.gauss(0, 1)))
    return made


def reinforce(one: Learner, made: list[Sample], name: str, step: int) -> dict[str, float]:
    return one.learn(made, Reinforcement.of(made, OBJECTIVES[name], 30), step).metrics


def imitate(one: Learner, made: list[Sample]) -> dict[str, float]:
    return one.learn(made, Imitation.of(made), 1).metrics


def one_by_one(made: list[Sample]) -> list[list[Sample]]:
    return [[sample] for sample in made]


def learner(budget: int, replicas: Replicas | None = None, decoder=None, reference=None) -> Learner:
    decoder = decoder or build_random(CONFIG, 1)
    reference = reference or build_random(CONFIG, 2)
    # A gradient as it is, unclipped, so that what is compared is the gradient.
    return Learner(MasterWeights.of(decoder), Optimizer(lr=1e-3, max_grad_norm=1e9), 10, budget, reference, replicas)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_shared_prompt_computed_once_gives_the_same_gradient(name, monkeypatch):
    """Against every sample alone, its prompt before it: the plain way."""
    together = learner(10_000)
    metrics = reinforce(together, samples(), name, 1)
    monkeypatch.setattr(learner_module, "divide", lambda made, budget, shares: [one_by_one(made)])
    alone = learner(10_000)
    assert reinforce(alone, samples(), name, 1) == pytest.approx(metrics, rel=1e-3, abs=1e-5)
    torch.testing.assert_close(together.gradients, alone.gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradient_is_the_same_for_any_micro_batch(name):
    found = []
    for budget in (16, 100, 10_000):
        one = learner(budget)
        metrics = reinforce(one, samples(), name, 1)
        found.append((one.gradients.clone(), metrics))
    for gradient, metrics in found[1:]:
        torch.testing.assert_close(gradient, found[0][0], atol=1e-5, rtol=1e-4)
        assert metrics == pytest.approx(found[0][1], rel=1e-3, abs=1e-5)


def test_imitation_gradient_is_the_same_for_any_micro_batch():
    found = []
    for budget in (16, 10_000):
        one = learner(budget)
        imitate(one, samples())
        found.append(one.gradients.clone())
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=1e-4)


def test_helping_processes_add_up_to_the_same_gradient():
    alone = learner(100)
    expected = reinforce(alone, samples(), "grpo", 1)
    decoder = build_random(CONFIG, 1)
    replicas = Replicas(decoder, 1)
    try:
        helped = learner(100, replicas, decoder)
        for step in (1, 2):  # the second step needs the helper to see the first one's update
            metrics = reinforce(helped, samples(), "grpo", step)
            if step == 1:
                assert metrics == pytest.approx(expected, rel=1e-3, abs=1e-5)
                torch.testing.assert_close(helped.gradients, alone.gradients, atol=1e-5, rtol=1e-4)
        reinforce(alone, samples(), "grpo", 2)
        torch.testing.assert_close(helped.gradients, alone.gradients, atol=1e-4, rtol=1e-3)
    finally:
        replicas.close()


@pytest.mark.parametrize("kept", [0, 10**9])
def test_logits_in_pieces_give_the_same_gradient(monkeypatch, kept):
    monkeypatch.setattr(scoring, "KEPT", kept)
    whole = learner(10_000)
    reinforce(whole, samples(), "dapo", 1)
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", 50 * 7)
    pieces = learner(10_000)
    reinforce(pieces, samples(), "dapo", 1)
    torch.testing.assert_close(pieces.gradients, whole.gradients, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("helped", [False, True])
def test_layers_computed_again_give_the_same_gradient_bit_for_bit(monkeypatch, helped):
    kept = learner(10_000)
    reinforce(kept, samples(), "dapo", 1)
    assert not kept._recomputes([[samples()]])
    monkeypatch.setattr(learner_module, "free_memory", lambda device: 1000)
    decoder = build_random(CONFIG, 1)
    replicas = Replicas(decoder, 1) if helped else None
    again = learner(10_000, replicas, decoder)
    assert again._recomputes([[samples()]])
    reinforce(again, samples(), "dapo", 1)
    if replicas:
        replicas.close()
        torch.testing.assert_close(again.gradients, kept.gradients, atol=1e-5, rtol=1e-4)
    else:
        assert torch.equal(again.gradients, kept.gradients)


def kept_bytes(decoder: Decoder, batch: MicroBatch, recompute: bool) -> int:
    """Of all tensors that wait for the backward pass, but for the weights."""
    sizes: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in decoder.parameters()}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scoring.score(decoder, batch, recompute)
    return sum(sizes.values())


@pytest.mark.parametrize("long", [False, True])
def test_less_is_kept_where_layers_are_computed_again(long):
    """Tensors of a layer that wait for the backward pass, and what the learner thinks that they take."""
    config, made = (LONG_CONFIG, long_samples()) if long else (CONFIG, samples())
    decoder, (*_, largest) = build_random(config, 1).requires_grad_(True), micro_batches(made, 10_000)
    batch = pack(largest, torch.device("cpu"))
    kept = {recompute: kept_bytes(decoder, batch, recompute) for recompute in (False, True)}
    assert kept[True] < kept[False] / 2
    estimate = scoring.activation_bytes(config, len(batch.ids), kept_weights(largest), torch.float32)
    assert kept[False] / 3 < estimate < 3 * kept[False]


def test_long_answers_give_the_same_gradient_for_any_micro_batch():
    """In rows with their prompts, few or many at once, and each alone; layers kept, and computed again."""
    found = []
    for budget in (400, 800, 10_000):
        one = learner(budget, decoder=build_random(LONG_CONFIG, 1), reference=build_random(LONG_CONFIG, 2))
        made = long_samples()
        metrics = reinforce(one, made, "dapo", 1)
        found.append((one.gradients.clone(), metrics))
    for gradient, metrics in found[1:]:
        torch.testing.assert_close(gradient, found[0][0], atol=1e-5, rtol=1e-4)
        assert metrics == pytest.approx(found[0][1], rel=1e-3, abs=1e-5)
    again = learner(10_000, decoder=build_random(LONG_CONFIG, 1), reference=build_random(LONG_CONFIG, 2))
    again._recomputes = lambda shares: True
    reinforce(again, long_samples(), "dapo", 1)
    assert torch.equal(again.gradients, found[-1][0])


@pytest.mark.parametrize("kept", [0, 10**9])
@pytest.mark.parametrize("at_once, in_cache", [(10**9, 10**9), (300 * 16, 300 * 3), (1, 1)])
def test_log_probabilities_and_entropy_are_those_of_log_softmax(monkeypatch, kept, at_once, in_cache):
    monkeypatch.setattr(scoring, "KEPT", kept)
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", at_once)
    monkeypatch.setattr(scoring, "IN_CACHE", in_cache)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(40, 16, generator=generator).mul(2).requires_grad_(True)
    weight = torch.randn(300, 16, generator=generator).requires_grad_(True)
    targets = torch.arange(40) * 7
    with torch.no_grad():
        # Of this target the probability is 0 in float32, and its logarithm is not.
        hidden[3] = -40 * weight[targets[3]] / weight[targets[3]].norm()
    weights = torch.randn(40, generator=torch.Generator().manual_seed(1))
    logprobs, entropy = scoring.HeadLogProbs.apply(hidden, weight, targets)
    (logprobs * weights).sum().backward()
    exact = torch.log_softmax(hidden.double() @ weight.double().T, -1)
    chosen = exact.gather(1, targets.unsqueeze(1)).squeeze(1)
    assert chosen[3] < -150
    of_hidden, of_weight = torch.autograd.grad((chosen * weights).sum(), (hidden, weight))
    torch.testing.assert_close(logprobs.double(), chosen, atol=1e-4, rtol=1e-6)
    torch.testing.assert_close(entropy.double(), -(exact.exp() * exact).sum(-1), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(hidden.grad, of_hidden, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(weight.grad, of_weight, atol=1e-4, rtol=1e-4)


def test_swiglu_has_the_gradient_of_its_formula():
    gate_up = torch.randn(5, 12, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(swiglu, (gate_up,))
    with torch.no_grad():
        gate, up = gate_up.chunk(2, dim=-1)
        torch.testing.assert_close(swiglu(gate_up), torch.nn.functional.silu(gate) * up)


def test_only_masked_tokens_teach():
    base = samples()[0]
    changed = Sample(base.ids, [0] * (len(base.ids) - 1) + [1], base.logprobs[-1:], base.advantage)
    logprobs = learner(100)
    imitate(logprobs, [changed])
    last = copy.deepcopy(build_random(CONFIG, 1))
    from ponder.model.attention import score_sequences

    loss = -torch.log_softmax(score_sequences(last, [base.ids])[0][-2], -1)[base.ids[-1]]
    loss.backward()
    expected = torch.cat([p.grad.flatten() for p in last.parameters()]).norm()
    assert logprobs.gradients.norm() == pytest.approx(expected.item(), rel=1e-4)


def test_state_survives_saving_bit_for_bit(tmp_path):
    straight = learner(100)
    for step in (1, 2, 3):
        reinforce(straight, samples(), "dapo", step)
    first = learner(100)
    for step in (1, 2):
        reinforce(first, samples(), "dapo", step)
    first.save_state(tmp_path / "optimizer.safetensors")
    second = learner(100, decoder=copy.deepcopy(first.decoder))
    second.load_state(tmp_path / "optimizer.safetensors")
    reinforce(second, samples(), "dapo", 3)
    for a, b in zip(straight.decoder.parameters(), second.decoder.parameters(), strict=True):
        assert torch.equal(a, b)


def test_gradient_that_is_not_finite_updates_nothing():
    one = learner(100)
    before = [p.clone() for p in one.decoder.parameters()]
    bad = samples()[0]
    with pytest.raises(FloatingPointError, match="nothing was updated by it"):
        reinforce(one, [Sample(bad.ids, bad.mask, bad.logprobs, float("inf"))], "rloo", 1)
    assert all(torch.equal(a, b) for a, b in zip(before, one.decoder.parameters(), strict=True))


def test_micro_batches_hold_every_sample_once_within_the_budget():
    made = samples()
    cut = list(micro_batches(made, 120))
    assert sorted(map(id, made)) == sorted(id(s) for batch in cut for s in batch)
    for batch in cut:
        prompts = {s.prompt for s in batch}
        if len(prompts) > 1:
            longest = max(len(s.ids) - s.prompt_length for s in batch)
            assert len(prompts) * max(map(len, prompts)) + len(batch) * longest <= 120


@pytest.mark.parametrize(("groups", "shares", "most"), [(16, 2, 8), (16, 4, 4), (3, 2, 1.5), (1, 2, 0.5), (5, 4, 1.25)])
def test_every_process_gets_its_share(groups, shares, most):
    group = [Sample([1, 2, *range(3, 9)], [0, 0] + [1] * 6, [-1.0] * 6, 0.5) for _ in range(8)]
    made = [replace(s, ids=[9 + n, *s.ids], mask=[0, *s.mask]) for n in range(groups) for s in group]
    divided = divide(made, 100_000, shares)
    assert sorted(map(id, made)) == sorted(id(s) for share in divided for micro in share for s in micro)
    answers = [sum(len(micro) for micro in share) for share in divided]
    assert max(answers) <= 8 * most and all(len(share) <= 2 for share in divided)


def zeroed(made: list[Sample], *groups: int) -> list[Sample]:
    """The samples in groups by their prompts, some of which teach nothing."""
    prompts = list(dict.fromkeys(s.prompt for s in made))
    numbered = [replace(s, group=prompts.index(s.prompt), number=n) for n, s in enumerate(made)]
    return [replace(s, advantage=0.0) if s.group in groups else s for s in numbered]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_groups_that_teach_nothing_are_not_computed(name, monkeypatch):
    """Bit for bit where every group is a micro-batch of its own: what is left out would have added zeros."""
    made = zeroed(samples(), 0, 2, 3)
    monkeypatch.setattr(learner_module, "divide", lambda made, budget, shares: [by_group(made)])
    short = learner(10_000)
    goal = Reinforcement.of(made, OBJECTIVES[name], 30)
    done = short.learn(made, goal, 1)
    computed = {s.number for s in made if OBJECTIVES[name].kl or s.group in (1, 4, 5)}
    assert {scores.number for scores in done.scores} == computed
    monkeypatch.setattr(Reinforcement, "computed", lambda self, samples: list(samples))
    whole = learner(10_000)
    every = whole.learn(made, goal, 1)
    assert len(every.scores) == len(made) and torch.equal(short.gradients, whole.gradients)
    assert short.gradients.norm() > 0


def by_group(made: list[Sample]) -> list[list[Sample]]:
    return [[s for s in made if s.group == group] for group in dict.fromkeys(s.group for s in made)]


@pytest.mark.parametrize("name", ["dapo", "gspo", "dr_grpo"])
def test_cut_otherwise_or_shared_with_others_the_gradient_is_the_same(name):
    made = zeroed(samples(), 0, 2, 3)
    goal = Reinforcement.of(made, OBJECTIVES[name], 30)
    whole = learner(10_000)
    whole.accumulator.accumulate(whole.decoder, None, whole.gradients, divide(made, 10_000, 1), goal)
    short = learner(60)
    short.learn(made, goal, 1)
    torch.testing.assert_close(short.gradients, whole.gradients, atol=1e-5, rtol=1e-4)


def test_where_nothing_teaches_one_group_is_compared_all_the_same():
    made = zeroed(samples(), 0, 1, 2, 3, 4, 5)
    one = learner(10_000)
    done = one.learn(made, Reinforcement.of(made, OBJECTIVES["dapo"], 30), 1)
    assert {scores.number for scores in done.scores} == {s.number for s in made if s.group == 0}
    assert done.metrics["mismatch/mean"] > 0 and done.metrics["grad_norm"] == 0
    tokens = [sum(s.mask) for s in made]
    share = sum(t for t, s in zip(tokens, made, strict=True) if s.group == 0) / sum(tokens)
    assert done.metrics["learned/computed_share"] == pytest.approx(share)


def test_learning_rate_warms_up_and_decays():
    warm = Optimizer(lr=1.0, warmup_steps=4)
    assert [learning_rate(warm, step, 10) for step in (1, 2, 4, 5, 10)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    for decay in ("linear", "cosine"):
        decaying = Optimizer(lr=1.0, warmup_steps=0, decay=decay)
        assert learning_rate(decaying, 10, 10) == pytest.approx(0.1)
        assert learning_rate(decaying, 5, 10) == pytest.approx(0.55)


def test_a_minimal_learning_rate_is_where_the_decay_ends():
    for decay in ("linear", "cosine"):
        decaying = Optimizer(lr=1.0, warmup_steps=0, decay=decay, min_lr=0.4)
        assert learning_rate(decaying, 10, 10) == pytest.approx(0.4)
        assert learning_rate(decaying, 5, 10) == pytest.approx(0.7)


def test_the_norm_of_a_large_gradient_is_a_norm_of_norms():
    """One float32 sum over so many elements is off by more than a percent on a CPU."""
    large = torch.full((50_000_000,), 1e-3)
    exact = 1e-3 * 50_000_000**0.5
    assert gradients.norm(large).item() == pytest.approx(exact, rel=1e-3)
    small = torch.randn(1000)
    assert gradients.norm(small) == small.norm(), "the bits of small models stay"


def test_a_prompt_alone_is_cut_to_the_budget():
    """One-shot RLVR: all samples of a step share one prompt."""
    prompt = list(range(10))
    made = [Sample([*prompt, 1, 2, n], [0] * 10 + [1] * 3, [-0.5] * 3, 1.0) for n in range(40)]
    cut = list(micro_batches(made, 40))
    assert sorted(s.ids[-1] for batch in cut for s in batch) == list(range(40))
    assert all(10 + 3 * len(batch) <= 40 for batch in cut)
    whole, pieces = learner(10_000), learner(40)
    reinforce(whole, made, "dapo", 1)
    reinforce(pieces, made, "dapo", 1)
    torch.testing.assert_close(whole.gradients, pieces.gradients, atol=1e-5, rtol=1e-4)


def test_scores_come_back_by_sample_and_before_the_update():
    one = learner(60)
    made = [replace(sample, number=n) for n, sample in enumerate(samples())]
    before = one.logprobs(made)
    update = one.learn(made, Reinforcement.of(made, OBJECTIVES["dapo"], 30), 1)
    assert {s.number for s in update.scores} == set(range(len(made)))
    for seen in update.scores:
        assert seen.logprobs == pytest.approx(before[seen.number], abs=1e-5)
        assert len(seen.entropy) == sum(made[seen.number].mask)
    assert one.logprobs([Sample([1, 2], [0, 0], [], number=99), *made])[99] == []
