"""Instructor: an object in each of its ways to ask for one."""

import sys

import instructor
from openai import OpenAI
from pydantic import BaseModel
from shown import ASK, show

url, model = sys.argv[1:]


class Sum(BaseModel):
    a: int
    b: int


client, found = OpenAI(base_url=url, api_key="any", max_retries=0), []
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA, instructor.Mode.MD_JSON):
    asking = instructor.from_openai(client, mode=mode)
    found.append(
        asking.chat.completions.create(model=model, messages=ASK, response_model=Sum, max_retries=0).model_dump()
    )
show(None, None, found, None)
