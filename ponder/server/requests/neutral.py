"""Fields of other servers: the values of them that change nothing, and what to write instead of the rest."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

# Whatever they hold: who asks and in which session, how others cache, what others log.
ANY = frozenset(
    {
        "cache_salt",
        "session_id",
        "conversation_id",
        "chat_id",
        "thread_id",
        "trace_id",
        "user_id",
        "end_user",
        "end_user_id",
        "client_id",
        "rid",
        "prediction",
        "prompt_cache_options",
        "guided_decoding_backend",
        "vl_high_resolution_images",
        "return_progress",
        "timings_per_token",
        "cache_prompt",
        "id_slot",
        "repeat_last_n",
        "dry_base",
        "dry_allowed_length",
        "dry_penalty_last_n",
        "dry_sequence_breakers",
        "dynatemp_exponent",
        "xtc_threshold",
        "mirostat_tau",
        "mirostat_eta",
        "keep_alive",
        "max_tool_calls",
    }
)
# The values that say what happens here anyway, and what holds instead of others.
NEUTRAL: dict[str, tuple[tuple[Any, ...], str]] = {
    "modalities": ((["text"], []), "this model answers in text: modalities is ['text'], or left out"),
    "response_modalities": ((["text"], []), "this model answers in text"),
    "best_of": ((1,), "of several answers none is chosen here: ask for n and choose"),
    "functions": (([],), "functions are sent as tools"),
    "function_call": (("none", "auto"), "which function is called is said with tool_choice"),
    "use_beam_search": ((False,), "beam search is not supported"),
    "length_penalty": ((1, 1.0), "beam search is not supported"),
    "early_stopping": ((False,), "beam search is not supported"),
    "enable_search": ((False,), "this server searches nothing: give a tool that does"),
    "plugins": (([],), "this server runs no tools: give tools, and run them yourself"),
    "incremental_output": ((True,), "a stream tells what is new: put the pieces together"),
    "result_format": (("message",), "answers come as messages"),
    "echo": ((False,), "an answer does not repeat its prompt; continue_final_message goes on with a message"),
    "add_special_tokens": ((False,), "the template writes the special tokens of a conversation: leave it out"),
    "prompt_logprobs": ((False, 0), "a prompt's tokens have no log-probabilities here"),
    "truncate_prompt_tokens": ((-1,), "prompts are not cut here: shorten the conversation"),
    "allowed_token_ids": (([],), "give logit_bias, or structured_outputs"),
    "bad_words": (([],), "give logit_bias"),
    "typical_p": ((1, 1.0), "there are top_p, top_k and min_p"),
    "top_a": ((0, 0.0), "there are top_p, top_k and min_p"),
    "tfs": ((1, 1.0), "there are top_p, top_k and min_p"),
    "tfs_z": ((1, 1.0), "there are top_p, top_k and min_p"),
    "top_n_sigma": ((-1, -1.0, 0, 0.0), "there are top_p, top_k and min_p"),
    "xtc_probability": ((0, 0.0), "there are top_p, top_k and min_p"),
    "dynatemp_range": ((0, 0.0), "the temperature stays as it is"),
    "dry_multiplier": ((0, 0.0), "there are presence_penalty, frequency_penalty and repetition_penalty"),
    "mirostat": ((0,), "there are top_p, top_k and min_p"),
    "mirostat_mode": ((0,), "there are top_p, top_k and min_p"),
    "mcp_servers": (([],), "this server runs no tools: give those of the MCP servers, and run them yourself"),
    "background": ((False,), "answers are not stored here: ask for a stream instead"),
}
# By the name of a field here: what others call it.
_ELSEWHERE = {
    "max_tokens": ("max_new_tokens", "max_length", "n_predict", "num_predict", "max_gen_toks", "max_output_tokens"),
    "max_output_tokens": ("max_new_tokens", "max_tokens", "max_completion_tokens"),
    "repetition_penalty": ("repeat_penalty", "rep_pen"),
    "stop": ("stop_sequences", "stop_strings", "stopping_strings", "stop_words", "until"),
    "stop_sequences": ("stop", "stop_strings"),
    "seed": ("random_seed", "sampling_seed"),
    "n": ("num_return_sequences", "num_completions"),
    "response_format": ("json_schema", "format", "output_format", "output_config", "text"),
    "text": ("response_format", "format"),
    "output_config": ("response_format", "text"),
    "structured_outputs": ("grammar", "regex", "json_schema"),
    "system": ("instructions",),
    "instructions": ("system",),
    "messages": ("prompt", "input", "system", "instructions"),
    "input": ("messages", "prompt"),
    "prompt": ("messages", "input"),
    "logprobs": ("n_probs",),
}
_GUIDED = {"json": "json", "json_object": "json", "regex": "regex", "choice": "choice", "grammar": "grammar"}


def is_neutral(name: str, value: Any) -> bool:
    """Whether a field of another server changes nothing with this value. 1 and True are different things."""
    if name in ANY:
        return True
    values, _ = NEUTRAL.get(name, ((), ""))
    return any(type(value) is type(one) and value == one for one in values)


def meant(name: str, names: Iterable[str]) -> str:
    """How a sentence about an unknown field goes on: what to write instead, of the `names` that there are. May be empty."""
    there = set(names)
    if name in NEUTRAL:
        return f": {NEUTRAL[name][1]}"
    if name.startswith("guided_"):
        kind = _GUIDED.get(name.removeprefix("guided_"), "json")
        form = f'structured_outputs: {{"{kind}": ...}}' if "structured_outputs" in there else "the text's format"
        return f" (not supported, and would be ignored by others): use {form}"
    known = [here for here, others in _ELSEWHERE.items() if here in there and name in others]
    near = next(iter(known or get_close_matches(name, there, 1, 0.75)), None)
    return f". Did you mean {near}?" if near else ""
