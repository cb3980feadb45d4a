// The page: the question box, the conversation, the model menu, the key.

import { Conversation, wordsOf } from "./conversation.js";
import { button, make } from "./dom.js";
import { Follower } from "./follow.js";
import { ServerError, serverInfo, setKey, signIn, starters, tellFeedback } from "./server.js";
import { lasting, tab } from "./storage.js";

const HISTORY = "history";
const MODEL = "model";
const THEME = "theme";

const byId = (id) => document.getElementById(id);
const [form, question, sendButton, stopButton] = ["form", "question", "send", "stop"].map(byId);
const [turnsElement, modelMenu, clearButton, statusElement] = ["turns", "model", "clear", "status"].map(byId);
const [lengthElement, troubleElement] = ["length", "trouble"].map(byId);

const follower = new Follower(document.querySelector("header"), document.querySelector("footer"));
const conversation = new Conversation(turnsElement, HISTORY, {
  onState: (text) => {
    statusElement.textContent = text;
  },
  onChange: showControls,
  onBegin: (turn) => follower.begin(turn.element, turn.answerElement),
  onDrawn: () => follower.drawn(),
  onRetry: run,
  feedback: () => (info.takes_feedback ? tellFeedback : null),
});

let info = { models: [], default_model: "", max_question_chars: Infinity };

// --- asking

async function run(text) {
  const failure = await conversation.ask(text, modelMenu.value || info.default_model);
  follower.end();
  if (failure?.status === 401) await askForKey(true);
  // Whoever reads a source meanwhile stays there.
  if (!turnsElement.contains(document.activeElement)) question.focus({ preventScroll: true });
}

function submit() {
  const text = question.value.trim();
  if (!text || conversation.running || text.length > info.max_question_chars) return;
  question.value = "";
  fit();
  run(text);
}

// --- what is shown

function showControls() {
  const length = question.value.trim().length;
  const isTooLong = length > info.max_question_chars;
  sendButton.hidden = Boolean(conversation.running);
  stopButton.hidden = !conversation.running;
  sendButton.disabled = !length || isTooLong;
  const limit = info.max_question_chars.toLocaleString("en");
  const problem = isTooLong ? `The question has ${length.toLocaleString("en")} characters, ${limit} are possible.` : "";
  question.setCustomValidity(problem);
  question.setAttribute("aria-invalid", String(isTooLong));
  lengthElement.textContent = problem;
  form.classList.toggle("too-long", isTooLong);
  byId("welcome").hidden = conversation.turns.length > 0;
  clearButton.hidden = conversation.turns.length === 0;
  clearButton.disabled = Boolean(conversation.running);
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
  const wanted = location.hash.match(/^#playground=(rag|answer)$/);
  if (wanted) offerPlayground(wanted[1]);
  if (!conversation.turns.length) showStarters(await starters());
}

/** For who came from there without a key; not opened by itself, or a browser without cookies would go to and fro. */
function offerPlayground(chain) {
  const open = button("Open the playground", () => openPlayground(chain));
  troubleElement.replaceChildren(open);
  open.focus();
}

async function openPlayground(chain) {
  try {
    await signIn(chain);
    location.assign(`${chain}/playground/`);
  } catch (error) {
    showTrouble(error);
  }
}

function showStarters(questions) {
  const start = (text) => conversation.running || run(text);
  byId("starters").replaceChildren(...questions.map((text) => make("li", "", [button(text, () => start(text))])));
  byId("starters").hidden = !questions.length;
}

function showTrouble(error) {
  const problem = make("p", "problem", wordsOf(error));
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
  if (event.key === "Escape") conversation.stop();
});
stopButton.addEventListener("click", () => conversation.stop());
clearButton.addEventListener("click", () => {
  conversation.clear();
  question.focus();
});
modelMenu.addEventListener("change", () => tab.write(MODEL, modelMenu.value));
byId("theme").addEventListener("click", switchTheme);
byId("playground").addEventListener("click", (event) => {
  event.preventDefault();
  openPlayground("rag");
});

applyTheme(lasting.read(THEME));
conversation.restore();
conversation.turns.at(-1)?.element.scrollIntoView({ block: "start" });
showControls();
await connect();
