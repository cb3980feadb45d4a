// OpenAI's client: node openai.mjs URL KEY; prints what it got as JSON. MODULES is the folder of the packages.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.MODULES}/`);
const { OpenAI } = require("openai");
const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: "Where is data stored?" }];

const models = (await client.models.list()).data.map((model) => model.id);
const whole = await client.chat.completions.create({ model: "milvus-rag", messages });
let streamed = "";
let usage = null;
let grounds = null;
const stream = await client.chat.completions.create({
  model: "milvus-rag", messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
  grounds = chunk.milvus_rag ?? grounds;
}
const failure = await client.chat.completions.create({ model: "none", messages }).catch((error) => error);
console.log(JSON.stringify({
  models, whole: whole.choices[0].message.content, streamed, usage, source: grounds.passages[0].source,
  failure: [failure.constructor.name, failure.status, failure.code],
}));
