// The window follows an answer while it is written, until the reader scrolls.

const READER = ["wheel", "touchmove", "pointerdown"];
const KEYS = new Set(["PageUp", "PageDown", "Home", "End", "ArrowUp", "ArrowDown", " "]);
// Between the last line and the question box.
const MARGIN = 16;
// What has stood in the window for a shorter time has not been read: an answer that comes at once is read from its top.
const READ_MS = 1500;

export class Follower {
  /**
   * @param {HTMLElement} header stays at the top of the window
   * @param {HTMLElement} footer stays at its bottom
   */
  constructor(header, footer) {
    this.header = header;
    this.footer = footer;
    this.turn = null;
    this.timer = 0;
    const stop = (event) => {
      if (!footer.contains(event.target)) this.turn = null;
    };
    for (const name of READER) addEventListener(name, stop, { passive: true });
    addEventListener("keydown", (event) => KEYS.has(event.key) && stop(event));
  }

  /**
   * Begin with a turn, whose question comes to the top of the window.
   *
   * @param {HTMLElement} turn
   * @param {HTMLElement} answer
   */
  begin(turn, answer) {
    turn.scrollIntoView({ block: "start", behavior: "instant" });
    this.turn = turn;
    this.answer = answer;
    this.shown = [];
    this.read = turn.getBoundingClientRect().top + scrollY;
  }

  /** More of the answer is drawn: bring its end into the window, but nothing out of it that cannot have been read. */
  drawn() {
    if (!this.turn) return;
    const now = performance.now();
    while (this.shown.length && this.shown[0].at < now - READ_MS) this.read = this.shown.shift().bottom;
    const bottom = this.answer.getBoundingClientRect().bottom + scrollY;
    const top = this.header.getBoundingClientRect().bottom;
    const end = this.footer.getBoundingClientRect().top;
    const target = Math.min(bottom - end + MARGIN, this.read - top - MARGIN);
    if (target > scrollY) scrollTo({ top: target, behavior: "instant" });
    this.shown.push({ at: now, bottom: Math.min(bottom, scrollY + end) });
    clearTimeout(this.timer);
    // The model may pause before the rest is drawn.
    if (bottom > scrollY + end) this.timer = setTimeout(() => this.drawn(), READ_MS);
  }

  /** The answer is complete: the window stays where it is. */
  end() {
    this.turn = null;
  }
}
