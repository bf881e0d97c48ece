"""Use a checkpoint of Ponder with transformers alone: it is a Hugging Face model, with its tokenizer and template.

python examples/quickstart_transformers.py CHECKPOINT ["QUESTION"]
"""

import argparse

from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="a checkpoint directory, or the name of a model on the Hub")
    parser.add_argument("question", nargs="?", default="How many r's are in the word strawberry?")
    parser.add_argument("--max-new-tokens", type=int, default=32_768)
    asked = parser.parse_args()

    model = AutoModelForCausalLM.from_pretrained(asked.model, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    messages = [{"role": "user", "content": asked.question}]
    # The prompt ends with <think>: the model goes on inside its thought.
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer([prompt], return_tensors="pt").to(model.device)
    # transformers knows no longest answer but the context.
    room = model.config.max_position_embeddings - inputs.input_ids.shape[1]
    output = model.generate(
        **inputs,
        max_new_tokens=min(asked.max_new_tokens, room),
        do_sample=True,  # greedy decoding makes reasoning models repeat themselves
        temperature=0.6,
        top_p=0.95,
        top_k=40,
    )
    print(tokenizer.decode(output[0, inputs.input_ids.shape[1] :], skip_special_tokens=True))


if __name__ == "__main__":
    main()
