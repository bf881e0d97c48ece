"""The run directory: what one execution of a recipe did, on disk, at every moment.

    recipe.yaml                          the resolved recipe
    lineage.json                         versions, seed, times, parent model
    metrics.jsonl                        one flat JSON row per step
    events/                              the same rows for TensorBoard
    rollouts/<stage>/step-000012.parquet every rollout
    evals/<stage>-000060.json            held-out evaluations
    verifier_errors.jsonl                answers that a verifier failed on, if any
    judge_answers.jsonl                  what models that grade have answered, if any
    checkpoints/<stage>-000060/          written by training
    report.json, report.html, curves.png

Importing this package loads neither torch nor pyarrow, matplotlib or tensorboard.
"""

from ponder.runs.atomic import SaveError
from ponder.runs.results import EvalResult, wilson_interval
from ponder.runs.run import Rewound, Run

__all__ = ["EvalResult", "Rewound", "Run", "SaveError", "wilson_interval"]
