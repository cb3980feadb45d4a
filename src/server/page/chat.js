// The page: the question box, the conversation, the model menu, the key.

import { button, make } from "./dom.js";
import { Follower } from "./follow.js";
import { ServerError, ask, serverInfo, setKey, starters, tellFeedback } from "./server.js";
import { lasting, tab } from "./storage.js";
import { Turn } from "./turn.js";

const HISTORY = "history";
const MODEL = "model";
const THEME = "theme";
// Turns that outlive a reload of the page.
const MOST_TURNS = 30;
// Of these, so many go with a question: the server reads no more.
const SENT_TURNS = 6;

const byId = (id) => document.getElementById(id);
const [form, question, sendButton, stopButton] = ["form", "question", "send", "stop"].map(byId);
const [turnsElement, modelMenu, clearButton, statusElement] = ["turns", "model", "clear", "status"].map(byId);
const [lengthElement, troubleElement] = ["length", "trouble"].map(byId);

const follower = new Follower(document.querySelector("header"), document.querySelector("footer"));

let turns = [];
let running = null;
let info = { models: [], default_model: "", max_question_chars: Infinity };

// --- asking

async function run(text) {
  const controller = new AbortController();
  running = controller;
  const history = said();
  const turn = addTurn({ question: text, model: modelMenu.value || info.default_model });
  const begin = performance.now();
  turn.begin();
  showState("Searching.");
  follower.begin(turn.element, turn.answerElement);
  let isRefused = false;
  try {
    for await (const part of ask(text, history, turn.state.model, controller.signal)) {
      turn.add(part);
      if (part.waiting) showState(`${turn.waitsFor()}.`);
      else if (part.context) showState("Answering.");
    }
    showState("The answer is complete.");
  } catch (error) {
    if (error.name === "AbortError") {
      turn.state.stopped = true;
      showState("Stopped.");
    } else {
      turn.state.problem = error instanceof ServerError ? error.message : "Something went wrong on this page.";
      isRefused = error.status === 401;
      if (!(error instanceof ServerError)) console.error(error);
      showState("");
    }
  }
  turn.state.seconds = (performance.now() - begin) / 1000;
  running = null;
  turn.end();
  follower.end();
  remember();
  showControls();
  if (isRefused) await askForKey(true);
  // Whoever reads a source meanwhile stays there.
  if (!turnsElement.contains(document.activeElement)) question.focus({ preventScroll: true });
}

/** What was said before, as far as it was answered. */
function said() {
  const answered = turns.filter(({ state }) => state.answer && !state.problem).slice(-SENT_TURNS);
  return answered.flatMap(({ state }) => [["human", state.question], ["ai", state.answer]]);
}

function submit() {
  const text = question.value.trim();
  if (!text || running || text.length > info.max_question_chars) return;
  question.value = "";
  fit();
  run(text);
  showControls();
}

function addTurn(state) {
  const turn = new Turn(state, {
    onRetry: (text) => {
      if (running) return;
      run(text);
      showControls();
    },
    onDrawn: () => follower.drawn(),
    onFeedback: info.takes_feedback ? tellFeedback : null,
  });
  turns.push(turn);
  turnsElement.append(turn.element);
  showControls();
  return turn;
}

// --- what is shown

function showControls() {
  const length = question.value.trim().length;
  const isTooLong = length > info.max_question_chars;
  sendButton.hidden = Boolean(running);
  stopButton.hidden = !running;
  sendButton.disabled = !length || isTooLong;
  const limit = info.max_question_chars.toLocaleString("en");
  const problem = isTooLong ? `The question has ${length.toLocaleString("en")} characters, ${limit} are possible.` : "";
  question.setCustomValidity(problem);
  question.setAttribute("aria-invalid", String(isTooLong));
  lengthElement.textContent = problem;
  form.classList.toggle("too-long", isTooLong);
  byId("welcome").hidden = turns.length > 0;
  clearButton.hidden = turns.length === 0;
  clearButton.disabled = Boolean(running);
}

function showState(text) {
  statusElement.textContent = text;
}

/** Let the question box grow with its text. */
function fit() {
  question.rows = Math.min(8, Math.max(1, question.value.split("\n").length));
  while (question.rows < 8 && question.scrollHeight > question.clientHeight + 2) question.rows += 1;
}

function showInfo() {
  modelMenu.replaceChildren(...info.models.map((name) => new Option(name, name)));
  const chosen = tab.read(MODEL);
  modelMenu.value = info.models.includes(chosen) ? chosen : info.default_model;
  modelMenu.parentElement.hidden = false;
  modelMenu.disabled = info.models.length < 2;
  const collection = byId("collection");
  collection.textContent = info.collection;
  collection.title = "The collection that is searched";
  collection.hidden = false;
}

// --- what outlives a reload

function remember() {
  tab.write(HISTORY, JSON.stringify(turns.slice(-MOST_TURNS).map((turn) => turn.state)));
}

function restore() {
  for (const state of kept()) {
    try {
      addTurn(state).end();
    } catch {
      // Not what this page wrote.
      turns.pop()?.element.remove();
    }
  }
  turns.at(-1)?.element.scrollIntoView({ block: "start" });
}

function kept() {
  try {
    const states = JSON.parse(tab.read(HISTORY) ?? "[]");
    return Array.isArray(states) ? states.filter((state) => typeof state?.question === "string") : [];
  } catch {
    return [];
  }
}

function clear() {
  turns = [];
  turnsElement.replaceChildren();
  tab.remove(HISTORY);
  showControls();
  question.focus();
}

// --- the server's key

async function connect() {
  try {
    await learn();
  } catch (error) {
    if (error.status === 401) await askForKey(false);
    else showTrouble(error);
  }
}

/** Ask the server what the page must know of it. */
async function learn() {
  info = await serverInfo();
  troubleElement.replaceChildren();
  showInfo();
  showControls();
  if (!turns.length) showStarters(await starters());
}

function showStarters(questions) {
  const start = (text) => {
    if (!running) run(text);
    showControls();
  };
  byId("starters").replaceChildren(...questions.map((text) => make("li", "", [button(text, () => start(text))])));
  byId("starters").hidden = !questions.length;
}

function showTrouble(error) {
  if (!(error instanceof ServerError)) console.error(error);
  const words = error instanceof ServerError ? error.message : "Something went wrong on this page.";
  const problem = make("p", "problem", words);
  problem.setAttribute("role", "alert");
  troubleElement.replaceChildren(problem, button("Try again", connect));
}

async function askForKey(isWrong) {
  const dialog = byId("key-dialog");
  for (;;) {
    byId("key-problem").hidden = !isWrong;
    byId("key").value = "";
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    const key = byId("key").value.trim();
    if (!key || dialog.returnValue === "") {
      showTrouble(new ServerError("Nothing can be asked without the server's key.", 401));
      return;
    }
    setKey(key);
    try {
      await learn();
      question.focus();
      return;
    } catch (error) {
      if (error.status !== 401) {
        showTrouble(error);
        return;
      }
      isWrong = true;
    }
  }
}

// --- light and dark

function applyTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function switchTheme() {
  const shown = document.documentElement.dataset.theme;
  const isDark = shown ? shown === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  lasting.write(THEME, isDark ? "light" : "dark");
  applyTheme(isDark ? "light" : "dark");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
question.addEventListener("input", () => {
  fit();
  showControls();
});
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) running.abort();
});
stopButton.addEventListener("click", () => running?.abort());
clearButton.addEventListener("click", clear);
modelMenu.addEventListener("change", () => tab.write(MODEL, modelMenu.value));
byId("theme").addEventListener("click", switchTheme);

applyTheme(lasting.read(THEME));
restore();
showControls();
await connect();
