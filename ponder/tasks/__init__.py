"""Tasks: what there is to solve, where it comes from, and how it is mixed and split."""

from ponder.tasks.benchmarks import BENCHMARKS
from ponder.tasks.file_tasks import file_tasks
from ponder.tasks.gym import gym_tasks
from ponder.tasks.hub import hub_tasks
from ponder.tasks.mixture import Mixture
from ponder.tasks.programs import program_tasks
from ponder.tasks.prompts import PROMPTS, ask, check_prompt
from ponder.tasks.split import held_out_sample, part_of, refuse_overlap, split
from ponder.tasks.task import LazyTasks, Task

jsonl_tasks = file_tasks  # its name where JSON Lines was all it read

__all__ = [
    "BENCHMARKS",
    "PROMPTS",
    "LazyTasks",
    "Mixture",
    "Task",
    "ask",
    "check_prompt",
    "file_tasks",
    "gym_tasks",
    "held_out_sample",
    "hub_tasks",
    "jsonl_tasks",
    "part_of",
    "program_tasks",
    "refuse_overlap",
    "split",
]
