// One question with its answer, and the sources under it.

import { linkCitations } from "./citations.js";
import { addControls, copyButton } from "./copying.js";
import { button, make, replaceBlocks } from "./dom.js";
import { render } from "./markdown.js";
import { Source, asMarkdown } from "./source.js";

// What a model that thinks aloud puts before its answer.
const THOUGHT = /^\s*<think(?:ing)?>([\s\S]*?)(?:<\/think(?:ing)?>|$)/;

export class Turn {
  /**
   * @param {{question: string, model: string, searched?: string, answer?: string, context?: object[],
   *   citations?: object[], seconds?: number, problem?: string}} state
   * @param {{onRetry: (question: string) => void, onDrawn?: () => void,
   *   onFeedback?: (request: string, isHelpful: boolean) => Promise<void>}} handlers
   */
  constructor(state, { onRetry, onDrawn = () => {}, onFeedback = null }) {
    this.state = { answer: "", context: null, ...state };
    this.onRetry = onRetry;
    this.onDrawn = onDrawn;
    this.onFeedback = onFeedback;
    this.waiting = null;
    this.element = make("li", "turn");
    this.answerElement = make("div", "answer");
    this.sourcesElement = make("section", "sources");
    this.footElement = make("div", "foot");
    this.searchedElement = make("p", "searched");
    this.sources = [];
    const question = make("h2", "question", this.state.question);
    question.dir = "auto";
    this.element.append(question, this.searchedElement, this.answerElement, this.footElement, this.sourcesElement);
    this.frame = 0;
  }

  /** Add a part that the server sent. */
  add(part) {
    if (part.request) this.state.request = part.request;
    if (part.waiting) {
      this.waiting = part.waiting;
    } else if (part.answer) {
      this.waiting = null;
    }
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
    addControls(drawn);
    const parts = [...(thought ? [folded(thought, isBusy && !answer)] : []), ...blocksOf(drawn)];
    if (isBusy && !this.state.answer) parts.push(make("p", "waiting", this.waitsFor()));
    if (this.state.problem) {
      const problem = make("p", "problem", this.state.problem);
      problem.setAttribute("role", "alert");
      parts.push(problem);
    }
    replaceBlocks(this.answerElement, parts);
    this.onDrawn();
  }

  /** What the reader is waiting for, in words. */
  waitsFor() {
    if (this.waiting) {
      const seconds = Math.max(1, Math.round(this.waiting.seconds));
      return `The model did not answer. It is asked again in ${seconds} s; Esc stops`;
    }
    return this.state.context ? "Reading the passages" : "Searching";
  }

  showFoot() {
    const { answer, problem, question, seconds, model, stopped } = this.state;
    this.footElement.replaceChildren();
    if (answer) this.footElement.append(copyButton(() => this.asMarkdown()));
    if (problem || stopped) this.footElement.append(button("Ask again", () => this.onRetry(question)));
    if (answer && this.state.request && this.onFeedback) this.footElement.append(this.feedbackButtons());
    const citesNone = answer && !this.isNotAnswered() && this.state.citations?.length === 0 && this.sources.length > 0;
    const time = seconds === undefined ? "" : `${seconds.toFixed(1)} s`;
    const facts = [model, time, stopped ? "stopped" : "", citesNone ? "cites none of the sources" : ""];
    this.footElement.append(make("span", "facts", facts.filter(Boolean).join(" · ")));
  }

  feedbackButtons() {
    const tell = async (isHelpful) => {
      try {
        await this.onFeedback(this.state.request, isHelpful);
        frame.replaceChildren("Thank you");
      } catch {
        frame.replaceChildren("That could not be sent");
      }
    };
    const frame = make("span", "feedback", [button("Helpful", () => tell(true)), button("Not helpful", () => tell(false))]);
    frame.setAttribute("role", "status");
    return frame;
  }

  showSources() {
    const { context } = this.state;
    // Drawn once: what the reader opened stays open, and keeps the focus.
    if (!context?.length || this.sources.length) return;
    const count = context.length === 1 ? "1 source" : `${context.length} sources`;
    const title = make("h3", "", this.isNotAnswered() ? "Nearest passages" : count);
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
  const summary = make("summary", "", isThinking ? "Thinking" : "What the model thought");
  return make("details", "thought", [summary, make("div", "", [render(thought)])]);
}

/** What is drawn as elements: bare text between blocks becomes a block. */
function blocksOf(drawn) {
  return [...drawn.childNodes]
    .filter((node) => node.nodeType === Node.ELEMENT_NODE || node.textContent.trim())
    .map((node) => (node.nodeType === Node.ELEMENT_NODE ? node : make("p", "", [node])));
}
