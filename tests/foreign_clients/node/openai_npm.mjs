// OpenAI's own client for JavaScript: chat, streamed, and a loop of tools.
import OpenAI from "openai";

const [url, model] = process.argv.slice(2);
const ask = [{ role: "user", content: "1 + 2" }];
const parameters = { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } }, required: ["a", "b"] };
const tools = [{ type: "function", function: { name: "add", description: "adds two numbers", parameters } }];
const client = new OpenAI({ baseURL: url, apiKey: "any", maxRetries: 0 });

let thought = "", answer = "";
for await (const chunk of await client.chat.completions.create({ model, messages: ask, stream: true })) {
  for (const { delta } of chunk.choices) {
    thought += delta.reasoning_content ?? "";
    answer += delta.content ?? "";
  }
}
const called = [];
const runner = client.chat.completions.runTools({
  model,
  messages: ask,
  tools: [{ type: "function", function: { ...tools[0].function, parse: JSON.parse, function: (given) => (called.push(given), given.a + given.b) } }],
});
const final = await runner.finalContent();
console.log(JSON.stringify({ thought, answer, called, final }));
