"""GuideLLM, a load generator: some requests at a time over one of its API formats; what it counted, in a line of JSON.

PYTHON guidellm_load.py ADDRESS TOKENIZER FORMAT REQUESTS OUTPUT_TOKENS"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

address, tokenizer, form, requests, tokens = sys.argv[1:]
with tempfile.TemporaryDirectory() as there:
    report = Path(there, "report.json")
    options = {
        "backend": f"kind=openai_http,target={address},request_format={form}",
        "tokenizer": f"kind=huggingface_auto,model={tokenizer}",
        "data": f"kind=synthetic_text,prompt_tokens=32,output_tokens={tokens}",
        "profile": "kind=concurrent,streams=2",
        "constraint": f"kind=max_requests,count={requests}",
        "output": f"kind=json,path={report}",
    }
    command = [sys.executable, "-m", "guidellm", "run", "--disable-console-interactive"]
    subprocess.run(command + [word for name, value in options.items() for word in (f"--{name}", value)], check=True)
    (measured,) = json.loads(report.read_text())["benchmarks"]
done = measured["requests"]["successful"]
print(
    json.dumps(
        {
            "totals": measured["metrics"]["request_totals"],
            "tokens": [one["output_metrics"]["text_tokens"] for one in done],
            "prompts": [one["input_metrics"]["text_tokens"] for one in done],
            "first_token_ms": [one["time_to_first_token_ms"] for one in done],
        }
    )
)
