"""How a language model learns to think: reinforcement learning with verifiable rewards (RLVR), in one page.

    python examples/rl_in_one_page.py [--steps 30] [--seed 0]      # half a minute on one core of a laptop

The task: how many ones are there in `0 1 1 0 1 0 0 1 1 1 0 1 =`? A tiny transformer is born and first imitates a
teacher who mostly guesses, sometimes counts along between <think> and </think>, and slips now and then (the cold
start, supervised fine-tuning). Imitation copies all of that. Then comes GRPO: sample a group of answers to each
prompt, verify them, make those that beat their group's mean likelier and the others less likely. Nobody says that
thinking helps: watch the share of answers with a thought rise together with the pass rate, on problems that were
never trained on.

Decoder, sampling engine and verifier are Ponder's own; what follows is all that a trainer adds. The last letters of a
name are its shape: P prompts, G samples of each (a group), R = P * G rollouts, T tokens laid end to end, V
vocabulary.
"""

import argparse
import random

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Completion, Request, SamplingParams, rl_sampling
from ponder.model.attention import PackedCausal
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import Decoder, build_random
from ponder.verifiers import verify_math

BITS = 12
VOCABULARY = ["<end>", "<think>", "</think>", "=", *map(str, range(BITS + 1))]  # a token is a number or a sign
ID = {text: token for token, text in enumerate(VOCABULARY)}
END, THINK, THINK_END = (ID[tag] for tag in VOCABULARY[:3])
Problem = tuple[int, ...]  # the bits


def decode(ids: list[int]) -> str:
    return " ".join(VOCABULARY[token] for token in ids if token != END)


def prompt_of(problem: Problem) -> list[int]:
    return [ID[str(bit)] for bit in problem] + [ID["="]]


def demonstration(problem: Problem, rng: random.Random) -> list[int]:
    """The careless teacher's answer: mostly a guess, else a count along the bits that slips at one of forty of them."""
    if rng.random() < 0.7:
        guess = min(max(sum(problem) + rng.randint(-4, 4), 0), BITS)
        return [THINK, THINK_END, ID[str(guess)], END]
    count, thought = 0, []
    for bit in problem:
        count = min(max(count + bit + (rng.choice((-1, 1)) if rng.random() < 1 / 40 else 0), 0), BITS)
        thought.append(ID[str(count)])
    return [THINK, *thought, THINK_END, thought[-1], END]


def reward(problem: Problem, ids: list[int]) -> float:
    """1 where what follows the thought is the right number, else 0. The verifier reads the text as anybody's."""
    return float(verify_math(decode(ids), sum(problem)).status == "correct")


def sample(engine: LocalEngine, problems: list[Problem], params: SamplingParams, seed: int) -> list[Completion]:
    """An answer to each problem, by continuous batching over a KV cache. The engine reads the learner's own weights,
    so nothing is copied after an update. A prompt is computed once for its group; randomness follows from the seed."""
    requests = [Request(i, tuple(prompt_of(p)), params, seed * 100_000 + i) for i, p in enumerate(problems)]
    return sorted(engine.generate(requests), key=lambda completion: completion.request.id)


def answer_logprobs(decoder: Decoder, problems: list[Problem], answers: list[list[int]]) -> Tensor:
    """log p(token | all before it) of the tokens of all answers # [T], with gradient. Sequences are packed: one stream
    without padding, in which causal attention keeps each to itself."""
    prompts = [prompt_of(problem) for problem in problems]
    sequences = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    attend = PackedCausal([len(sequence) for sequence in sequences])
    ids = torch.tensor([token for sequence in sequences for token in sequence])  # prompts and answers
    answered = torch.tensor([i >= len(p) for p, s in zip(prompts, sequences, strict=True) for i in range(len(s))])
    at_T = answered.nonzero().squeeze(1)
    before_T = decoder(ids, attend.positions, attend, attend.width)[at_T - 1]  # what stands before a token predicts it
    logits_TV = decoder.logits(before_T)
    return F.log_softmax(logits_TV, dim=-1).gather(1, ids[at_T].unsqueeze(1)).squeeze(1)


def update(optimizer: torch.optim.Optimizer, loss: Tensor, lr: float) -> None:
    optimizer.param_groups[0]["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], max_norm=1.0)
    optimizer.step()


def main(steps: int = 30, seed: int = 0, warmup: int = 200, P: int = 24, G: int = 8) -> list[float]:
    """Returns the pass rates on held-out problems: after the cold start, and after every fifth step of RL."""
    torch.set_num_threads(1)  # products as small as these do not share well
    rng = random.Random(seed)
    problems = [tuple(map(int, f"{number:0{BITS}b}")) for number in range(2**BITS)]
    rng.shuffle(problems)
    held_out, problems = problems[:200], problems[200:]

    # In the form of Qwen2: RMSNorm, RoPE, grouped-query attention (4 query heads on 2 heads of keys), SwiGLU.
    config = ModelConfig(
        family="qwen2", vocab_size=len(VOCABULARY), hidden_size=64, intermediate_size=192, num_layers=2,
        num_heads=4, num_kv_heads=2, head_dim=16, qkv_bias=True, output_bias=False, qk_norm=False,
        tie_embeddings=True, rms_norm_eps=1e-6, max_positions=64, rope=RopeConfig(),
    )  # fmt: skip
    decoder = build_random(config, seed)
    optimizer = torch.optim.AdamW(decoder.parameters(), betas=(0.9, 0.95), weight_decay=0.0)
    engine = LocalEngine(decoder)
    params = rl_sampling(max_tokens=BITS + 6, stop_ids=frozenset({END}))  # at temperature 1: the policy itself

    def evaluate(step: int) -> float:
        answers = [completion.ids for completion in sample(engine, held_out, params, seed=step)]
        passed = sum(map(reward, held_out, answers)) / len(answers)
        thinks = sum(ids[:2] != [THINK, THINK_END] for ids in answers) / len(answers)
        print(f"step {step:2d}   pass rate {passed:4.0%}   thinks {thinks:4.0%}   {decode(answers[0])}", flush=True)
        return passed

    for _ in range(warmup):  # the cold start: maximum likelihood of what the teacher says
        chosen = rng.choices(problems, k=128)
        demonstrations = [demonstration(problem, rng) for problem in chosen]
        update(optimizer, -answer_logprobs(decoder, chosen, demonstrations).mean(), lr=3e-3)
    rates = [evaluate(step=0)]

    for step in range(1, steps + 1):
        chosen = [problem for problem in rng.sample(problems, P) for _ in range(G)]  # G times in a row
        rollouts = sample(engine, chosen, params, seed=1_000 + step)
        answers = [rollout.ids for rollout in rollouts]
        rewards_PG = torch.tensor(list(map(reward, chosen, answers))).view(P, G)
        # A group is its own baseline, so no value network is needed. One without differences teaches nothing.
        advantages_PG = (rewards_PG - rewards_PG.mean(1, keepdim=True)) / (rewards_PG.std(1, keepdim=True) + 1e-6)
        lengths_R = torch.tensor(list(map(len, answers)))
        advantages_T = advantages_PG.flatten().repeat_interleave(lengths_R)  # the tokens of an answer share its fate
        sampler_logprobs_T = torch.tensor([logprob for rollout in rollouts for logprob in rollout.logprobs])
        ratio_T = (answer_logprobs(decoder, chosen, answers) - sampler_logprobs_T).exp()
        # PPO's clip. In the first update on fresh samples all ratios are 1, and this is the plain policy gradient.
        gain_T = torch.minimum(ratio_T * advantages_T, ratio_T.clamp(0.8, 1.28) * advantages_T)
        update(optimizer, -gain_T.mean(), lr=1e-3)
        if step % 5 == 0:
            rates.append(evaluate(step))
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
