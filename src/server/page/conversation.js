// A conversation: one question after the other, each with what was said before. It outlives a reload, in its tab.

import { ServerError, ask } from "./server.js";
import { tab } from "./storage.js";
import { Turn } from "./turn.js";

// Turns that are kept.
const MOST_TURNS = 30;
// Of these, so many go with a question: the server reads no more.
const SENT_TURNS = 6;

/** What is shown of an error: its sentence where it has one for people. */
export function wordsOf(error) {
  if (error instanceof ServerError) return error.message;
  console.error(error);
  return "Something went wrong on this page.";
}

export class Conversation {
  /**
   * @param {HTMLElement} list shows the turns
   * @param {string} name under which the tab keeps them
   * @param {{onState: (text: string) => void, onChange: () => void, onBegin?: (turn: Turn) => void,
   *   onDrawn?: () => void, onRetry: (question: string) => void, feedback: () => Function | null}} handlers
   */
  constructor(list, name, handlers) {
    this.list = list;
    this.name = name;
    this.handlers = handlers;
    this.turns = [];
    this.running = null;
  }

  /** Ask, and show the answer as it comes; gives back what went wrong, which is shown too. */
  async ask(text, model) {
    const controller = new AbortController();
    this.running = controller;
    const history = this.said();
    const turn = this.add({ question: text, model });
    const begin = performance.now();
    const { onState, onBegin } = this.handlers;
    let failure = null;
    turn.begin();
    onState("Searching.");
    onBegin?.(turn);
    try {
      for await (const part of ask(text, history, model, controller.signal)) {
        turn.add(part);
        if (part.waiting) onState(`${turn.waitsFor()}.`);
        else if (part.context) onState("Answering.");
      }
      onState("The answer is complete.");
    } catch (error) {
      if (error.name === "AbortError") {
        turn.state.stopped = true;
        onState("Stopped.");
      } else {
        failure = error;
        turn.state.problem = wordsOf(error);
        onState("");
      }
    }
    turn.state.seconds = (performance.now() - begin) / 1000;
    this.running = null;
    turn.end();
    tab.write(this.name, JSON.stringify(this.turns.slice(-MOST_TURNS).map(({ state }) => state)));
    this.handlers.onChange();
    return failure;
  }

  stop() {
    this.running?.abort();
  }

  clear() {
    this.turns = [];
    this.list.replaceChildren();
    tab.remove(this.name);
    this.handlers.onChange();
  }

  /** Show what the tab has kept. */
  restore() {
    for (const state of this.kept()) {
      try {
        this.add(state).end();
      } catch {
        // Not what this page wrote.
        this.turns.pop()?.element.remove();
      }
    }
  }

  /** What was said before, as far as it was answered. */
  said() {
    const answered = this.turns.filter(({ state }) => state.answer && !state.problem).slice(-SENT_TURNS);
    return answered.flatMap(({ state }) => [["human", state.question], ["ai", state.answer]]);
  }

  add(state) {
    const { onDrawn, onRetry, feedback } = this.handlers;
    const turn = new Turn(state, { onRetry: (text) => this.running || onRetry(text), onDrawn, onFeedback: feedback() });
    this.turns.push(turn);
    this.list.append(turn.element);
    this.handlers.onChange();
    return turn;
  }

  kept() {
    try {
      const states = JSON.parse(tab.read(this.name) ?? "[]");
      return Array.isArray(states) ? states.filter((state) => typeof state?.question === "string") : [];
    } catch {
      return [];
    }
  }
}
