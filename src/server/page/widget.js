// The chat as a widget on somebody else's page: one script tag, a shadow root, nothing that the page around it can break.
//
//   <script type="module" src="https://server/page/widget.js"></script>
//
// Attributes of the tag: data-title, its name; data-target, a selector of the element that it stands in, else it is behind
// a button in the window's corner; data-theme, "light" or "dark", else as the reader's system has it. There is none for a
// key: what stands in a page is everybody's.

import { Conversation, wordsOf } from "./conversation.js";
import { button, make } from "./dom.js";
import { ServerError, serverInfo, setKey, starters, tellFeedback } from "./server.js";

const HISTORY = "widget";
// The last of them decides.
const STYLES = ["widget.css", "theme.css", "layout.css", "conversation.css", "prose.css"];
const ROOT_PIXELS = 16;

class Widget {
  /**
   * @param {ShadowRoot} root
   * @param {{title: string, theme?: string, isFloating: boolean}} options
   */
  constructor(root, { title, theme, isFloating }) {
    this.root = root;
    this.info = null;
    this.question = make("textarea");
    Object.assign(this.question, { rows: 1, placeholder: "Ask a question", enterKeyHint: "send", dir: "auto" });
    this.question.setAttribute("aria-label", "Your question");
    this.problem = make("p");
    this.problem.id = "length";
    this.problem.setAttribute("role", "status");
    this.question.setAttribute("aria-describedby", "length");
    this.status = make("div", "unseen");
    this.status.setAttribute("role", "status");
    this.sendButton = iconButton("round", "Ask", "M10 16V4.5M4.8 9.5 10 4.2l5.2 5.3");
    this.sendButton.type = "submit";
    this.stopButton = iconButton("round", "Stop the answer", "M6 6h8v8H6z");
    this.form = make("form", "", [this.question, this.sendButton, this.stopButton]);
    this.form.id = "form";
    this.turns = make("ol");
    this.turns.id = "turns";
    this.turns.setAttribute("aria-label", "Questions and answers");
    this.welcome = make("div");
    this.scroller = make("div", "scroller", [this.welcome, this.turns]);
    // Scrolled by keyboard too.
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("role", "region");
    this.scroller.setAttribute("aria-label", "Conversation");
    this.clearButton = button("New chat", () => this.clear());
    const heading = make("h2", "", title);
    heading.dir = "auto";
    const closing = isFloating ? [button("Close", () => this.close(), { name: `Close: ${title}` })] : [];
    const header = make("header", "", [make("div", "bar", [heading, this.clearButton, ...closing])]);
    this.footer = make("footer", "", [this.form, this.problem]);
    this.panel = make("section", "panel", [header, this.scroller, this.status, this.footer]);
    this.panel.id = "panel";
    this.panel.setAttribute("aria-label", title);
    this.launcher = isFloating ? this.makeLauncher(title) : null;
    this.frame = make("div", isFloating ? "widget floating" : "widget", [this.panel]);
    this.frame.lang = "en";
    if (theme) this.frame.dataset.theme = theme;
    if (this.launcher) this.frame.prepend(this.launcher);
    // A page may have made its rem a smaller one.
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    if (rem < ROOT_PIXELS) this.frame.style.zoom = String(ROOT_PIXELS / rem);
    this.followed = null;
    this.conversation = new Conversation(this.turns, HISTORY, {
      onState: (text) => {
        this.status.textContent = text;
      },
      onChange: () => this.showControls(),
      onBegin: (turn) => {
        this.followed = turn.element;
      },
      onDrawn: () => this.follow(),
      onRetry: (text) => this.run(text),
      feedback: () => (this.info?.takes_feedback ? tellFeedback : null),
    });
    this.listen();
  }

  makeLauncher(title) {
    const launcher = button(title, () => (this.panel.hidden ? this.open() : this.close()), { className: "launcher" });
    launcher.setAttribute("aria-controls", "panel");
    launcher.setAttribute("aria-expanded", "false");
    this.panel.hidden = true;
    return launcher;
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.question.addEventListener("input", () => this.showControls());
    this.stopButton.addEventListener("click", () => this.conversation.stop());
    for (const name of ["wheel", "touchmove", "pointerdown"]) {
      this.scroller.addEventListener(name, () => this.unfollow(), { passive: true });
    }
    this.panel.addEventListener("keydown", (event) => this.pressed(event));
  }

  pressed(event) {
    // The page around it may have shortcuts of its own, which are not meant here.
    event.stopPropagation();
    if (event.key === "Enter" && event.target === this.question && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape") {
      if (this.conversation.running) this.conversation.stop();
      else if (this.launcher) this.close();
    } else if (event.target === this.scroller) this.unfollow();
  }

  // --- open and closed

  /** Nothing is asked of the server before the reader wants something. */
  async open() {
    this.panel.hidden = false;
    this.launcher?.setAttribute("aria-expanded", "true");
    if (this.launcher) this.question.focus();
    if (!this.info) await this.connect();
  }

  close() {
    this.panel.hidden = true;
    this.launcher.setAttribute("aria-expanded", "false");
    this.launcher.focus();
  }

  async connect(hasTriedKey = false) {
    try {
      this.info = await serverInfo();
      if (!this.conversation.turns.length) this.conversation.restore();
      this.followed = this.conversation.turns.at(-1)?.element;
      this.follow();
      this.unfollow();
      this.showWelcome(this.conversation.turns.length ? [] : await starters());
    } catch (error) {
      if (error.status === 401) this.askForKey(hasTriedKey);
      else this.showTrouble(error);
    }
    this.showControls();
  }

  // --- asking

  submit() {
    const text = this.question.value.trim();
    if (!text || !this.canAsk() || this.tooLong(text)) return;
    this.question.value = "";
    this.run(text);
  }

  async run(text) {
    this.showWelcome([]);
    const failure = await this.conversation.ask(text, this.info.default_model);
    this.unfollow();
    if (failure?.status === 401) this.askForKey(true);
    // Whoever reads a source meanwhile, or works on the page, stays there.
    else if (this.root.activeElement && !this.turns.contains(this.root.activeElement)) this.question.focus();
  }

  clear() {
    this.conversation.clear();
    this.question.focus();
    this.showWelcome([]);
  }

  canAsk() {
    return this.info !== null && !this.conversation.running;
  }

  tooLong(text) {
    const most = this.info?.max_question_chars ?? Infinity;
    return text.length > most ? `The question has ${text.length} characters, ${most} are possible.` : "";
  }

  // --- what is shown

  showControls() {
    const text = this.question.value.trim();
    const isRunning = Boolean(this.conversation.running);
    this.problem.textContent = this.tooLong(text);
    this.question.setAttribute("aria-invalid", String(Boolean(this.problem.textContent)));
    this.sendButton.hidden = isRunning;
    this.stopButton.hidden = !isRunning;
    this.sendButton.disabled = !text || !this.canAsk() || Boolean(this.problem.textContent);
    this.clearButton.hidden = !this.conversation.turns.length;
    this.clearButton.disabled = isRunning;
  }

  showWelcome(questions) {
    const list = make("ul", "", questions.map((text) => make("li", "", [button(text, () => this.run(text))])));
    list.id = "starters";
    list.setAttribute("aria-label", "Questions to begin with");
    const words = "Answers come from the indexed documents. Each one shows the passages it stands on.";
    const isEmpty = !this.conversation.turns.length && !this.conversation.running;
    this.welcome.replaceChildren(...(questions.length ? [make("p", "", words), list] : []));
    if (isEmpty && !questions.length) this.welcome.append(make("p", "", words));
  }

  showTrouble(error) {
    const problem = make("p", "problem", wordsOf(error));
    problem.setAttribute("role", "alert");
    this.welcome.replaceChildren(problem, button("Try again", () => this.connect()));
  }

  askForKey(isWrong = false) {
    const input = make("input");
    Object.assign(input, { id: "key", type: "password", required: true, spellcheck: false, autocomplete: "off" });
    const label = make("label", "", isWrong ? "That key is not the right one. The server's key:" : "The server's key:");
    label.htmlFor = "key";
    const words = make("p", "small", "It is kept until this tab is closed, and this site can read it.");
    const given = button("Continue", () => {}, { className: "primary" });
    given.type = "submit";
    const form = make("form", "ask-key", [label, input, words, given]);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      setKey(input.value.trim());
      form.remove();
      this.footer.hidden = false;
      this.info = null;
      await this.connect(true);
      if (this.info) this.question.focus();
    });
    this.footer.hidden = true;
    this.panel.append(form);
    if (this.root.activeElement || this.launcher) input.focus();
  }

  /** The question that is being answered stays at the top, until the reader scrolls. */
  follow() {
    if (this.followed) this.scroller.scrollTop = this.followed.offsetTop;
  }

  unfollow() {
    this.followed = null;
  }
}

function iconButton(className, name, path) {
  const [picture, line] = ["svg", "path"].map((part) => document.createElementNS("http://www.w3.org/2000/svg", part));
  picture.setAttribute("viewBox", "0 0 20 20");
  picture.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  picture.append(line);
  const element = button("", () => {}, { className, name });
  element.append(picture);
  return element;
}

/** The element that the page names for it; null for the window's corner. */
function targetOf(selector) {
  if (!selector) return null;
  const found = CSS.supports(`selector(${selector})`) ? document.querySelector(selector) : null;
  if (!found) console.error(`milvus-rag: no element fits data-target="${selector}", so the widget is in the corner.`);
  return found;
}

function loaded(link) {
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => reject(new ServerError(`${link.href} cannot be loaded`)));
  });
}

async function show() {
  if (document.readyState === "loading") await new Promise((end) => addEventListener("DOMContentLoaded", end, { once: true }));
  const tag = [...document.querySelectorAll("script[src]")].find((script) => script.src === import.meta.url);
  const { title = "Ask the documents", target, theme } = tag?.dataset ?? {};
  const place = targetOf(target);
  const host = make("milvus-rag-widget");
  const root = host.attachShadow({ mode: "open" });
  const widget = new Widget(root, { title, theme, isFloating: !place });
  const links = STYLES.map((name) => {
    const link = make("link");
    // With an origin, else the server's answers are for its own pages.
    Object.assign(link, { rel: "stylesheet", crossOrigin: "anonymous", href: new URL(name, import.meta.url).href });
    return link;
  });
  const styled = Promise.all(links.map(loaded));
  root.append(...links);
  (place ?? document.body).append(host);
  try {
    await styled;
  } catch (error) {
    host.remove();
    console.error(`milvus-rag: ${error.message}. Does the page's policy allow styles of the server?`);
    return;
  }
  root.append(widget.frame);
  widget.showControls();
  if (place) await widget.open();
}

await show();
