// A passage that an answer stands on: where it is from, and its text behind a click.

import { markWords } from "./citations.js";
import { addControls } from "./copying.js";
import { make } from "./dom.js";
import { render } from "./markdown.js";

export class Source {
  /**
   * @param {{page_content: string, metadata: object}} passage
   * @param {number} number
   */
  constructor({ page_content: text, metadata }, number) {
    this.text = text;
    this.path = pathOf(metadata);
    this.element = make("li");
    this.details = make("details", "source");
    this.summary = make("summary");
    this.passage = make("div", "passage");
    const place = make("span", "place");
    place.append(make("span", "file", fileOf(metadata)));
    const lines = linesOf(metadata);
    if (lines) place.append(make("span", "lines", lines));
    const name = this.path.join(" › ");
    const where = make("span", "where");
    where.dir = "auto";
    where.append(...(name ? [make("span", "heading", name)] : []), place);
    this.summary.append(make("span", "number", String(number)), where);
    if (typeof metadata.score === "number") {
      const score = make("span", "score", shortNumber(metadata.score));
      score.title = "Score of the search: the higher, the better";
      this.summary.append(score);
    }
    this.details.append(this.summary, this.passage);
    this.details.addEventListener("toggle", () => this.draw());
    this.element.append(this.details);
  }

  /** Open it, with the words of a sentence that cites it marked, and bring the reader to it. */
  show(sentence) {
    this.details.open = true;
    this.draw();
    markWords(this.passage, sentence);
    this.details.classList.remove("cited");
    // Read, so that the light goes on again where it is on already.
    void this.details.offsetWidth;
    this.details.classList.add("cited");
    this.summary.focus({ preventScroll: true });
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.details.scrollIntoView({ block: "nearest", behavior: isCalm ? "auto" : "smooth" });
    this.passage.querySelector("mark")?.scrollIntoView({ block: "nearest" });
  }

  draw() {
    if (!this.details.open || this.passage.hasChildNodes()) return;
    const drawn = render(this.withoutPath());
    addControls(drawn);
    this.passage.append(drawn);
  }

  /** Its text without the path of headings that may stand in front of it: the line above shows it. */
  withoutPath() {
    // A title that no heading says is not in front of every text.
    const paths = [this.path, this.path.slice(1)].map((path) => path.join(" > "));
    const first = paths.find((path) => path && this.text.startsWith(`${path}\n`));
    return first ? this.text.slice(first.length).trimStart() : this.text;
  }
}

/** One line of a list of sources, as Markdown. */
export function asMarkdown({ metadata }, number) {
  const path = pathOf(metadata).join(" › ");
  return `${number}. ${[fileOf(metadata), linesOf(metadata), path].filter(Boolean).join(", ")}`;
}

/** The document's title, where no heading says it, and the headings that a passage stands under. */
function pathOf({ title, headings }) {
  const given = Array.isArray(headings) ? headings.map(String) : [];
  return !title || given.includes(String(title)) ? given : [String(title), ...given];
}

function fileOf(metadata) {
  return String(metadata.source ?? "unknown source");
}

/** Where in its file a passage is: a page, slide, cell or sheet of the original, or its lines. */
function linesOf(metadata) {
  for (const key of ["page", "slide", "cell", "sheet", "part"]) {
    const begin = metadata[key];
    const end = metadata[`end_${key}`];
    if (["string", "number"].includes(typeof begin)) {
      return end === undefined ? `${key} ${begin}` : `${key}s ${begin}–${end}`;
    }
  }
  const { start_line: start, end_line: end } = metadata;
  if (typeof start !== "number") return "";
  return typeof end === "number" && end !== start ? `lines ${start}–${end}` : `line ${start}`;
}

function shortNumber(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
