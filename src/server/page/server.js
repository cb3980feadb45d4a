// What is asked of the server: of the one that this file came from, whoever shows the answer.

import { tab } from "./storage.js";

const KEY = "key";
const SERVER = new URL("..", import.meta.url);
// What a proxy in between means by its own pages.
const WORDS = {
  413: "The question is too long for the proxy in front of the server.",
  429: "Too many questions at once. Try again in a moment.",
  502: "The server behind this address does not run at the moment. Try again later.",
  503: "The server is not available at the moment. Try again later.",
  504: "The server did not answer in time. Try again later.",
};

/** An error whose message is a sentence for people. */
export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

// Where the browser keeps nothing, the key lives as long as the page.
let givenKey = null;

export function setKey(key) {
  givenKey = key;
  tab.write(KEY, key);
}

/** A few questions to begin with; none where the server cannot say. */
export async function starters() {
  try {
    return (await (await send("starters")).json()).questions;
  } catch {
    return [];
  }
}

/** Tell the operator whether an answer helped. */
export async function tellFeedback(request, isHelpful) {
  const body = JSON.stringify({ request_id: request, helpful: isHelpful });
  await send("feedback", { method: "POST", body, headers: { "Content-Type": "application/json" } });
}

/** Get a pass for the playground of a chain, which cannot send the key. */
export async function signIn(chain) {
  await send(`${chain}/sign-in`, { method: "POST" });
}

/** Version, models, limits. */
export async function serverInfo() {
  const response = await send("info");
  try {
    return await response.json();
  } catch {
    throw new ServerError("What answers at this address is not the server.");
  }
}

/**
 * The parts of an answer as they come: {request}, by which the server's log knows it, {question}, {search_question} where there is a history, {context}, {answer}
 * piece by piece, {citations}; {waiting} while a model that failed is to be asked again, in so many seconds.
 *
 * @param {string} question
 * @param {[string, string][]} history pairs of "human" or "ai" and what was said, the oldest first
 * @param {string} model empty for the server's own choice
 * @param {AbortSignal} signal stops the answer, here and on the server
 */
export async function* ask(question, history, model, signal) {
  const config = model ? { configurable: { llm: model } } : {};
  const input = history.length ? { question, chat_history: history } : { question };
  const body = JSON.stringify({ input, config });
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream", "X-Tell-Waiting": "1" };
  const response = await send("rag/stream", { method: "POST", body, headers, signal });
  yield { request: response.headers.get("X-Request-ID") };
  let ended = false;
  for await (const { event, data } of events(response.body)) {
    if (event === "data") yield JSON.parse(data);
    else if (event === "waiting") yield { waiting: JSON.parse(data) };
    else if (event === "error") throw errorOf(data, 500);
    else if (event === "end") ended = true;
  }
  if (!ended) throw new ServerError("The connection broke before the answer was complete.");
}

async function send(path, options = {}) {
  const key = tab.read(KEY) ?? givenKey;
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let response;
  try {
    response = await fetch(new URL(path, SERVER), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError("The server cannot be reached. Check the connection, then try again.");
  }
  if (!response.ok) throw errorOf(await response.text(), response.status);
  return response;
}

function errorOf(text, status) {
  try {
    const { error } = JSON.parse(text);
    return new ServerError(`${error.message} (request ${error.request_id.slice(0, 8)})`, error.status ?? status);
  } catch {
    // Not from our server: a proxy in between answered with a page of its own.
    return new ServerError(WORDS[status] ?? `The server answered with an error (${status}).`, status);
  }
}

/** Server-sent events of a body: https://html.spec.whatwg.org/multipage/server-sent-events.html */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r\n\r\n|\n\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = block.split(/\r?\n/).map((line) => line.match(/^(\w+): ?(.*)$/)).filter(Boolean);
        const valuesOf = (name) => fields.filter((field) => field[1] === name).map((field) => field[2]);
        if (fields.length) yield { event: valuesOf("event").at(-1) ?? "message", data: valuesOf("data").join("\n") };
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
