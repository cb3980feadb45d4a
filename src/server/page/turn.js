// One question with its answer, and the sources under it.

import { linkCitations } from "./citations.js";
import { render } from "./markdown.js";
import { Source, asMarkdown } from "./source.js";

// What a model that thinks aloud puts before its answer.
const THOUGHT = /^\s*<think(?:ing)?>([\s\S]*?)(?:<\/think(?:ing)?>|$)/;

export class Turn {
  /**
   * @param {{question: string, model: string, searched?: string, answer?: string, context?: object[],
   *   citations?: object[], seconds?: number, problem?: string}} state
   * @param {{onRetry: (question: string) => void}} handlers
   */
  constructor(state, { onRetry }) {
    this.state = { answer: "", context: null, ...state };
    this.onRetry = onRetry;
    this.element = make("li", "turn");
    this.answerElement = make("div", "answer");
    this.sourcesElement = make("section", "sources");
    this.footElement = make("div", "foot");
    this.searchedElement = make("p", "searched");
    this.sources = [];
    const question = make("h2", "question");
    question.dir = "auto";
    question.textContent = this.state.question;
    this.element.append(question, this.searchedElement, this.answerElement, this.footElement, this.sourcesElement);
    this.frame = 0;
  }

  /** Add a part that the server sent. */
  add(part) {
    if (part.search_question) this.state.searched = part.search_question;
    if (part.citations) this.state.citations = part.citations;
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
    this.showSources();
    this.showAnswer();
    this.showFoot();
  }

  showAnswer() {
    const isBusy = this.element.hasAttribute("aria-busy");
    const { question, searched } = this.state;
    this.searchedElement.hidden = !searched || searched === question;
    this.searchedElement.textContent = `Searched for: ${searched ?? ""}`;
    const [thought, answer] = withoutThought(this.state.answer);
    const drawn = render(answer);
    linkCitations(drawn, this.sources.length, (number, sentence) => this.sources[number - 1].show(sentence));
    const parts = thought ? [folded(thought, isBusy && !answer), drawn] : [drawn];
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
    if (answer) this.footElement.append(copyButton(() => this.asMarkdown()));
    if (problem || stopped) {
      const retry = make("button", "quiet");
      retry.type = "button";
      retry.textContent = "Ask again";
      retry.addEventListener("click", () => this.onRetry(question));
      this.footElement.append(retry);
    }
    const citesNone = answer && !this.isNotAnswered() && this.state.citations?.length === 0 && this.sources.length > 0;
    const time = seconds === undefined ? "" : `${seconds.toFixed(1)} s`;
    const facts = [model, time, stopped ? "stopped" : "", citesNone ? "cites none of the sources" : ""];
    const note = make("span", "facts");
    note.textContent = facts.filter(Boolean).join(" · ");
    this.footElement.append(note);
  }

  showSources() {
    const { context } = this.state;
    // Drawn once: what the reader opened stays open, and keeps the focus.
    if (!context?.length || this.sources.length) return;
    const title = make("h3");
    title.textContent = context.length === 1 ? "1 source" : `${context.length} sources`;
    if (this.isNotAnswered()) title.textContent = "Nearest passages";
    const list = make("ol");
    this.sources = context.map((passage, index) => new Source(passage, index + 1));
    list.append(...this.sources.map((source) => source.element));
    this.sourcesElement.append(title, list);
  }

  /** Whether the passages are only the nearest to a question that the documents do not answer. */
  isNotAnswered() {
    const { context } = this.state;
    return Boolean(context?.length) && context.every(({ metadata }) => metadata.only_nearest === true);
  }

  /** The answer with its sources, to be pasted elsewhere. */
  asMarkdown() {
    const [, answer] = withoutThought(this.state.answer);
    const sources = (this.state.context ?? []).map((passage, index) => asMarkdown(passage, index + 1));
    const title = this.isNotAnswered() ? "Nearest passages" : "Sources";
    return [answer.trim(), ...(sources.length ? [`${title}:\n\n${sources.join("\n")}`] : [])].join("\n\n");
  }
}

/** What a model thought aloud, and its answer. */
function withoutThought(text) {
  const thought = text.match(THOUGHT);
  return thought ? [thought[1].trim(), text.slice(thought[0].length)] : ["", text];
}

function folded(thought, isThinking) {
  const details = make("details", "thought");
  const summary = make("summary");
  summary.textContent = isThinking ? "Thinking" : "What the model thought";
  const text = make("div");
  text.append(render(thought));
  details.append(summary, text);
  return details;
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

function make(name, className = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  return element;
}
