// LangChain's client of LangServe: node remote_runnable.mjs URL KEY; prints what it got as JSON.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.MODULES}/`);
const { RemoteRunnable } = require("@langchain/core/runnables/remote");
const [url, key] = process.argv.slice(2);
const answer = new RemoteRunnable({ url: `${url}/answer`, options: { headers: { Authorization: `Bearer ${key}` } } });
const question = "Where is data stored?";

const invoked = await answer.invoke(question);
const batched = await answer.batch([question, "How is data flushed?"]);
let streamed = "";
for await (const part of await answer.stream(question)) streamed += part;
const events = new Set();
for await (const { event } of answer.streamEvents(question, { version: "v2" })) events.add(event);
const chosen = await answer.invoke(question, { configurable: { llm: "local" } });
console.log(JSON.stringify({ invoked, batched, streamed, events: [...events].sort(), chosen }));
