// HTML inside Markdown: a few elements are drawn, the tags of others are left out, and some with all that is in them.
//
// Nothing is ever parsed by the browser: tags are read here, and elements made by name, without attributes but a link's
// address. What has the shape of a tag and the name of no element, such as <your_name>, is text.

import { make } from "./dom.js";
import { withoutReferences } from "./entities.js";
import { linkTo, showHost } from "./links.js";

// Patterns look so far ahead and no further, so that no text can keep the page busy.
const ATTRIBUTES = `(?:[\\s/](?:"[^"]{0,2000}"|'[^']{0,2000}'|[^<>"']){0,400}|[\\s/][^<>]{0,1000})?`;
/** A comment, or a tag: 1 whether it closes, 2 its name, 3 its attributes. */
export const TAG = new RegExp(`<!--[\\s\\S]{0,20000}?-->|<(/?)([A-Za-z][A-Za-z\\d]{0,30})(${ATTRIBUTES})>`);

const words = (text) => new Set(text.split(" "));
const KNOWN = words(
  "a abbr address article aside audio b base blockquote body br button canvas caption center cite code col colgroup dd " +
    "del details dfn dialog div dl dt em embed fieldset figcaption figure font footer form frame h1 h2 h3 h4 h5 h6 head " +
    "header hgroup hr html i iframe img input ins kbd label legend li link main map mark math menu meta nav noscript " +
    "object ol optgroup option p param path picture pre progress q s samp script section select small source span strike " +
    "strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var " +
    "video wbr",
);
const INLINE = {
  b: "strong", strong: "strong", i: "em", em: "em", cite: "em", dfn: "em", var: "em", u: "u", ins: "u", s: "s", del: "s",
  strike: "s", code: "code", samp: "code", tt: "code", kbd: "kbd", sub: "sub", sup: "sup", small: "small", q: "q",
};
const BLOCK = {
  h1: "h3", h2: "h4", h3: "h5", h4: "h6", h5: "h6", h6: "h6", p: "p", div: "div", section: "div", article: "div",
  details: "div", summary: "p", figcaption: "p", center: "div", blockquote: "blockquote", ul: "ul", ol: "ol", li: "li",
  dl: "div", dt: "p", dd: "p", table: "table", thead: "thead", tbody: "tbody", tfoot: "tbody", tr: "tr", th: "th",
  td: "td", caption: "caption", pre: "pre",
};
// Block elements that nothing is drawn of, but what is in them.
const FRAMES = words("aside body col colgroup figure footer form header hr html link main meta nav");
const VOID = words("area base br col embed hr img input link meta param source track wbr");
const UNSEEN = words("audio canvas head iframe math noscript object script select style svg template textarea title video");
// What an element that begins ends of those that are open.
const ENDS = { li: ["li"], p: ["p"], dt: ["dt", "dd"], dd: ["dt", "dd"], tr: ["td", "th", "tr"], td: ["td", "th"],
  th: ["td", "th"], tbody: ["td", "th", "tr", "thead", "tbody"], tfoot: ["td", "th", "tr", "thead", "tbody"] };
// What has blocks in it and no text: blanks there say nothing. The first is a fragment.
const ROWS = new Set(["", ...words("div table thead tbody tr ul ol blockquote")]);
// A component of the program that renders a page, alone on its line.
const COMPONENT_LINE = new RegExp(`^ {0,3}</?[A-Z][A-Za-z\\d.]{0,60}${ATTRIBUTES}>[ \\t]*$`);
const DEEPEST = 32;
const MOST_LINES = 2000;
const BEGINS_BLOCK = /^ {0,3}<(?:!--|\/?([A-Za-z][A-Za-z\d]{0,30})(?=[\s/>]|$))/;
const TEXT_BLOCKS = words("p li blockquote h3 h4 h5 h6 td th");

/** Elements that are open, inside of one that is there. */
export class OpenElements {
  constructor(parent, isInline) {
    this.names = isInline ? INLINE : { ...INLINE, ...BLOCK };
    this.isInline = isInline;
    this.open = [{ name: "", element: parent }];
    this.unseen = "";
  }

  get top() {
    return this.open.at(-1).element;
  }

  /** Whether what comes is inside of an element that is left out as a whole. */
  get isUnseen() {
    return this.unseen !== "";
  }

  /**
   * Read a match of `TAG`.
   *
   * @param {string} rest the text behind it
   * @returns {boolean} whether it is a tag, or a comment; else it is text
   */
  read([whole, slash, given, attributes], rest) {
    if (given === undefined) return true;
    const name = given.toLowerCase();
    if (this.isUnseen) {
      if (slash && name === this.unseen) this.unseen = "";
      return true;
    }
    if (!KNOWN.has(name)) return isComponent(whole, slash, given, attributes, rest);
    if (slash) this.close(name);
    else this.begin(name, attributes, rest);
    return true;
  }

  begin(name, attributes, rest) {
    if (UNSEEN.has(name)) {
      const isClosed = new RegExp(`</${name}\\s*>`, "i").test(rest);
      if (isClosed && !attributes.endsWith("/")) this.unseen = name;
    } else if (name === "br") this.top.append(make("br"));
    else if (name === "hr" && !this.isInline) this.top.append(make("hr"));
    else if (name === "img") this.top.append(withoutReferences(attribute(attributes, "alt")));
    else if (name === "a") this.push(name, linkTo(withoutReferences(attribute(attributes, "href")), this.top));
    else if (Object.hasOwn(this.names, name) && !VOID.has(name)) this.draw(name);
    else if (this.isInline && Object.hasOwn(BLOCK, name)) this.top.append(" ");
  }

  draw(name) {
    if (this.open.length > DEEPEST) return;
    while (ENDS[name]?.includes(this.open.at(-1).name)) this.open.pop();
    const isOpen = (wanted) => this.open.some((one) => one.name === wanted);
    if (["tr", "td", "th", "thead", "tbody"].includes(name) && !isOpen("table")) this.draw("table");
    if (["td", "th"].includes(name) && !isOpen("tr")) this.draw("tr");
    const element = make(this.names[name]);
    if (TEXT_BLOCKS.has(element.localName)) element.dir = "auto";
    if (name === "table") this.top.append(make("div", "table", [element]));
    else this.top.append(element);
    this.push(name, element);
  }

  push(name, element) {
    this.open.push({ name, element });
  }

  close(name) {
    const at = this.open.findLastIndex((one) => one.name === name);
    if (at < 1) return;
    const [closed] = this.open.splice(at);
    if (name === "a") showHost(closed.element);
  }
}

/** Whether a block of HTML begins at a line, which is none of a Markdown block's. */
export function beginsHtml(line) {
  const match = line.match(BEGINS_BLOCK);
  if (!match) return false;
  const name = match[1]?.toLowerCase();
  return name === undefined || Object.hasOwn(BLOCK, name) || UNSEEN.has(name) || FRAMES.has(name);
}

/** Whether a line is nothing but the tag of a component, such as <Tabs>, which means something to another program only. */
export function isComponentLine(line) {
  return COMPONENT_LINE.test(line.slice(0, 2000)) && !KNOWN.has(line.match(/[A-Za-z\d]+/)[0].toLowerCase());
}

/** The line after a block of HTML: a blank one ends it, unless it is in what has a text of its own or in a table. */
export function htmlEnd(lines, at) {
  const name = lines[at].match(BEGINS_BLOCK)[1]?.toLowerCase();
  const end = name === undefined ? "-->" : `</${name}`;
  if (name === undefined || name === "pre" || name === "table" || UNSEEN.has(name)) {
    const last = lines.slice(at, at + MOST_LINES).findIndex((line) => line.toLowerCase().includes(end));
    if (last >= 0) return at + last + 1;
  }
  let i = at + 1;
  while (i < lines.length && lines[i].trim()) i += 1;
  return i;
}

/**
 * Write a block of HTML.
 *
 * @param {(text: string, parent: Element) => void} writeText how texts between tags are written
 */
export function writeHtml(text, parent, writeText) {
  const own = document.createDocumentFragment();
  const elements = new OpenElements(own, false);
  const write = (part) => {
    if (elements.isUnseen || !part) return;
    if (elements.open.some((one) => one.name === "pre")) elements.top.append(withoutReferences(part));
    else if (part.trim() || !ROWS.has(elements.top.localName ?? "")) writeText(part.replace(/\s+/g, " "), elements.top);
  };
  let from = 0;
  let at = 0;
  const tags = new RegExp(TAG.source, "g");
  for (const match of text.matchAll(tags)) {
    at = match.index + match[0].length;
    if (match.index < from) continue;
    const before = text.slice(from, match.index);
    const isUnseen = elements.isUnseen;
    if (!isUnseen) write(before);
    if (!elements.read(match, text.slice(at))) write(match[0]);
    from = at;
  }
  write(text.slice(from).replace(/<!--[\s\S]*$/, ""));
  for (const empty of own.querySelectorAll("p:empty, div:empty")) empty.remove();
  parent.append(own);
}

/** A component of the program that renders a page, such as <Tabs> … </Tabs>; else it is text. */
function isComponent(whole, slash, name, attributes, rest) {
  return Boolean(slash) || /=|\/\s*$/.test(attributes) || (/^[A-Z]/.test(name) && rest.includes(`</${name}>`));
}

function attribute(attributes, name) {
  const match = attributes.match(new RegExp(`[\\s/]${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'<>]+))`, "i"));
  return match?.[1] ?? match?.[2] ?? match?.[3] ?? "";
}
