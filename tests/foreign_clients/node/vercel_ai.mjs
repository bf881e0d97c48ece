// Vercel's AI SDK, by its provider for servers like OpenAI's and by OpenAI's own (the Responses API). To the latter, thoughts
// are summaries, of models that it takes for thinking ones, and items are stored where it is not told otherwise.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [url, model] = process.argv.slice(2);
const providerOptions = { openai: { store: false, forceReasoning: true, reasoningSummary: "auto" } };
const results = [];
for (const chat of [
  createOpenAICompatible({ name: "it", baseURL: url, apiKey: "any" })(model),
  createOpenAI({ baseURL: url, apiKey: "any" }).responses(model),
]) {
  const streamed = streamText({ model: chat, prompt: "1 + 2", providerOptions, maxRetries: 0 });
  let thought = "", answer = "";
  for await (const part of streamed.fullStream) {
    if (part.type === "reasoning-delta") thought += part.text;
    if (part.type === "text-delta") answer += part.text;
    if (part.type === "error") throw part.error;
  }
  const called = [];
  const add = tool({
    description: "adds two numbers",
    inputSchema: z.object({ a: z.number().int(), b: z.number().int() }),
    execute: async (given) => (called.push(given), given.a + given.b),
  });
  const { text } = await generateText({ model: chat, prompt: "1 + 2", providerOptions, tools: { add }, stopWhen: stepCountIs(4), maxRetries: 0 });
  results.push({ thought, answer, called, final: text });
}
const [first, second] = results;
if (JSON.stringify(first) !== JSON.stringify(second)) {
  throw new Error(JSON.stringify(results));
}
console.log(JSON.stringify(first));
