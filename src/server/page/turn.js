// One question with its answer, and the sources under it.

import { render } from "./markdown.js";

export class Turn {
  /**
   * @param {{question: string, model: string, answer?: string, context?: object[], seconds?: number, problem?: string}} state
   * @param {{onRetry: (question: string) => void}} handlers
   */
  constructor(state, { onRetry }) {
    this.state = { answer: "", context: null, ...state };
    this.onRetry = onRetry;
    this.element = make("li", "turn");
    this.answerElement = make("div", "answer");
    this.sourcesElement = make("section", "sources");
    this.footElement = make("div", "foot");
    const question = make("h2", "question");
    question.textContent = this.state.question;
    this.element.append(question, this.answerElement, this.footElement, this.sourcesElement);
    this.frame = 0;
  }

  /** Add a part that the server sent. */
  add(part) {
    if (part.context) {
      this.state.context = part.context.map(({ page_content, metadata }) => ({ page_content, metadata }));
      this.showSources();
    }
    if (part.answer) this.state.answer += part.answer;
    if (!this.frame) {
      // Tokens come faster than they can be drawn.
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.showAnswer();
      });
    }
  }

  /** Show it as it is while the answer is being made. */
  begin() {
    this.element.setAttribute("aria-busy", "true");
    this.showAnswer();
  }

  /** Show it as it stays. */
  end() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.element.removeAttribute("aria-busy");
    this.showAnswer();
    this.showSources();
    this.showFoot();
  }

  showAnswer() {
    const isBusy = this.element.hasAttribute("aria-busy");
    const parts = [render(this.state.answer)];
    if (isBusy && !this.state.answer) {
      const waiting = make("p", "waiting");
      waiting.textContent = this.state.context ? "Reading the passages" : "Searching";
      parts.push(waiting);
    }
    if (this.state.problem) {
      const problem = make("p", "problem");
      problem.setAttribute("role", "alert");
      problem.textContent = this.state.problem;
      parts.push(problem);
    }
    this.answerElement.replaceChildren(...parts);
  }

  showFoot() {
    const { answer, problem, question, seconds, model, stopped } = this.state;
    this.footElement.replaceChildren();
    if (answer) this.footElement.append(copyButton(() => this.state.answer));
    if (problem || stopped) {
      const retry = make("button", "quiet");
      retry.type = "button";
      retry.textContent = "Ask again";
      retry.addEventListener("click", () => this.onRetry(question));
      this.footElement.append(retry);
    }
    const facts = [model, seconds === undefined ? "" : `${seconds.toFixed(1)} s`, stopped ? "stopped" : ""];
    const note = make("span", "facts");
    note.textContent = facts.filter(Boolean).join(" · ");
    this.footElement.append(note);
  }

  showSources() {
    const { context } = this.state;
    this.sourcesElement.replaceChildren();
    if (!context?.length) return;
    const title = make("h3");
    title.textContent = context.length === 1 ? "1 source" : `${context.length} sources`;
    const list = make("ol");
    for (const [index, passage] of context.entries()) list.append(source(passage, index + 1));
    this.sourcesElement.append(title, list);
  }
}

/** A passage: where it stands, and its text behind a click. */
function source({ page_content: text, metadata }, number) {
  const item = make("li");
  const details = make("details", "source");
  const summary = make("summary");
  const headings = (metadata.headings ?? []).map(String);
  const place = make("span", "place");
  place.append(span("file", String(metadata.source ?? "unknown source")));
  const lines = linesOf(metadata);
  if (lines) place.append(span("lines", lines));
  const name = headings.join(" › ") || String(metadata.title ?? "");
  const where = make("span", "where");
  where.append(...(name ? [span("heading", name)] : []), place);
  summary.append(span("number", String(number)), where);
  if (typeof metadata.score === "number") {
    const score = span("score", shortNumber(metadata.score));
    score.title = "Score of the search: the higher, the better";
    summary.append(score);
  }
  const passage = make("div", "passage");
  details.append(summary, passage);
  details.addEventListener("toggle", () => {
    if (details.open && !passage.hasChildNodes()) passage.append(render(withoutPath(text, headings)));
  });
  item.append(details);
  return item;
}

/** A passage without the path of headings that may stand in front of it: the line above shows it. */
function withoutPath(text, headings) {
  const path = headings.join(" > ");
  return path && text.startsWith(`${path}\n`) ? text.slice(path.length).trimStart() : text;
}

function linesOf({ start_line: start, end_line: end }) {
  if (typeof start !== "number") return "";
  return typeof end === "number" && end !== start ? `lines ${start}–${end}` : `line ${start}`;
}

function shortNumber(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function copyButton(textOf) {
  const button = make("button", "quiet");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const isCopied = await copy(textOf());
    button.textContent = isCopied ? "Copied" : "Cannot copy";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1600);
  });
  return button;
}

async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here: the old way may be.
    }
  }
  const area = make("textarea", "unseen");
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
}

function span(className, text) {
  const element = make("span", className);
  element.textContent = text;
  return element;
}

function make(name, className = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  return element;
}
