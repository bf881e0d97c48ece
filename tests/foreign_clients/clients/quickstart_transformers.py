"""In the manner of QwQ-32B's quickstart for transformers: a checkpoint that Ponder wrote, where accelerate puts it."""

import json
import sys

from transformers import AutoModelForCausalLM, AutoTokenizer

(name,) = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(name, torch_dtype="auto", device_map="auto")
tokenizer = AutoTokenizer.from_pretrained(name)
text = tokenizer.apply_chat_template([{"role": "user", "content": "1 + 2"}], tokenize=False, add_generation_prompt=True)
inputs = tokenizer([text], return_tensors="pt").to(model.device)
generated = model.generate(**inputs, max_new_tokens=16, do_sample=False)
answers = [ids[len(given) :] for given, ids in zip(inputs.input_ids, generated, strict=True)]
shown = tokenizer.batch_decode(answers, skip_special_tokens=True)[0]
print(json.dumps({"prompt": text, "ids": answers[0].tolist(), "answer": shown}))
