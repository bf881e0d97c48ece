"""Chat templates in the manner of the families that Ponder loads, small: what each shows, wants and refuses."""

from pathlib import Path

import ponder.chat
from tests.chat.built import CHATML, TINYLLAMA

QWQ = Path(ponder.chat.__file__).with_name("qwq.jinja").read_text()
ASK = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
_QWEN_TOOLS = (
    "{% if tools %}{{ '<|im_start|>system\n' }}{% if messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}{% endif %}"
    "{{ '# Tools\n<tools>' }}{% for tool in tools %}{{ '\n' + tool | tojson }}{% endfor %}{{ '\n</tools>' + HOW + '<|im_end|>\n' }}"
    "{% elif messages[0].role == 'system' %}{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}"
)
_QWEN_TURNS = (
    "{% for m in messages %}{% if m.role == 'user' or (m.role == 'system' and not loop.first) %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% elif m.role == 'assistant' %}{{ '<|im_start|>assistant\n' + m.content }}"
    "{% for c in m.tool_calls or [] %}CALLS{% endfor %}{{ '<|im_end|>\n' }}"
    "{% elif m.role == 'tool' %}{% if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}"
    "{{ '\n<tool_response>\n' + m.content + '\n</tool_response>' }}"
    "{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\n' }}{% endif %}{% endif %}{% endfor %}"
)
_HERMES_CALL = (
    '{{ \'\n<tool_call>\n{"name": "\' + c.function.name + \'", "arguments": \' }}'
    "{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}{{ '}\n</tool_call>' }}"
)
_CODER_CALL = (
    "{{ '\n<tool_call>\n<function=' + c.function.name + '>' }}{% for k, v in c.function.arguments | items %}"
    "{{ '\n<parameter=' + k + '>\n' }}{{ v if v is string else v | tojson }}{{ '\n</parameter>' }}{% endfor %}"
    "{{ '\n</function>\n</tool_call>' }}"
)
_QWEN = _QWEN_TOOLS + _QWEN_TURNS + ASK
_ONCE = "{{ raise_exception('one call at a time') if m.tool_calls | length != 1 }}"
_HEAD = "'<|start_header_id|>' + {} + '<|end_header_id|>\n\n'"
_IDS = "{{ raise_exception('ids have nine characters') if ID | length != 9 }}"

TEMPLATES = {
    "qwq": QWQ,
    "qwen2.5": _QWEN.replace("HOW", "' Answer with <tool_call>.'").replace("CALLS", _HERMES_CALL),
    "qwen3": _QWEN.replace("HOW", "' Answer with <tool_call>.'").replace("CALLS", _HERMES_CALL)
    + "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}",
    "qwen3-coder": _QWEN.replace("HOW", "' Answer with <tool_call> and <function=name>.'").replace(
        "CALLS", _CODER_CALL
    ),
    "smollm2": CHATML,
    "smollm3": _QWEN.replace("tools %}", "xml_tools or tools %}", 1)
    .replace("HOW", "' Answer with <tool_call>.'")
    .replace("CALLS", _HERMES_CALL),
    "tinyllama": TINYLLAMA,
    "llama3": "{{ bos_token }}{% if messages[0].role == 'system' %}{% set system, messages = messages[0].content, messages[1:] %}"
    "{% else %}{% set system = '' %}{% endif %}{{ " + _HEAD.format("'system'") + " + system + '<|eot_id|>' }}"
    "{% for m in messages %}{% if m.tool_calls %}" + _ONCE + "{% set f = m.tool_calls[0].function %}"
    "{{ "
    + _HEAD.format("'assistant'")
    + " + '{\"name\": \"' + f.name + '\", \"parameters\": ' }}{{ f.arguments | tojson }}{{ '}<|eot_id|>' }}"
    "{% elif m.role == 'tool' %}{{ " + _HEAD.format("'ipython'") + " + m.content + '<|eot_id|>' }}"
    "{% else %}{{ " + _HEAD.format("m.role") + " }}"
    "{% if tools and loop.first and m.role == 'user' %}{% for t in tools %}{{ t | tojson(indent=4) + '\n\n' }}{% endfor %}{% endif %}"
    "{{ m.content | trim + '<|eot_id|>' }}{% endif %}{% endfor %}{# <|python_tag|> #}"
    "{% if add_generation_prompt %}{{ " + _HEAD.format("'assistant'") + " }}{% endif %}",
    "mistral": "{{ bos_token }}{% if messages[0].role == 'system' %}{{ '[SYSTEM_PROMPT]' + messages[0].content + '[/SYSTEM_PROMPT]' }}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
    "{% if m.role == 'user' %}{% if tools and loop.first %}{{ '[AVAILABLE_TOOLS]' + tools | tojson + '[/AVAILABLE_TOOLS]' }}{% endif %}"
    "{{ '[INST]' + m.content + '[/INST]' }}{% elif m.tool_calls is defined %}{{ '[TOOL_CALLS][' }}{% for c in m.tool_calls %}"
    + _IDS.replace("ID", "c.id")
    + "{{ c.function | tojson + ', ' + c.id }}{% endfor %}{{ ']' + eos_token }}{% elif m.role == 'tool' %}"
    + _IDS.replace("ID", "m.tool_call_id")
    + "{{ '[TOOL_RESULTS]' + m.content + m.tool_call_id + '[/TOOL_RESULTS]' }}{% elif m.role == 'assistant' %}{{ m.content + eos_token }}"
    "{% else %}{{ raise_exception('only these roles') }}{% endif %}{% endfor %}",
    "r1-distill": "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
    "{{ '<｜User｜>' + m.content }}{% elif m.role == 'tool' %}{{ '<｜tool▁output▁begin｜>' + m.content + '<｜tool▁output▁end｜>' }}"
    "{% else %}{{ '<｜Assistant｜>' }}{% if m.content is not none %}{{ m.content.split('</think>')[-1] }}{% endif %}"
    "{% for c in m.tool_calls or [] %}{{ '<｜tool▁call▁begin｜>' + c['type'] + '<｜tool▁sep｜>' + c['function']['name'] + '\n```json\n'"
    " + c['function']['arguments'] + '\n```<｜tool▁call▁end｜>' }}{% endfor %}{{ '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}",
    "users only": "{% for m in messages %}{{ raise_exception('no system') if m.role == 'system' }}"
    "{% if m.role in ('user', 'assistant') %}{{ m.role + ': ' + m.content + '\n' }}{% endif %}{% endfor %}",
}
