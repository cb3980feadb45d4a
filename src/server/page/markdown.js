// Markdown as elements. Text only ever becomes text nodes, and no HTML is parsed by the browser: see html.js.

import { withoutReferences } from "./entities.js";
import { OpenElements, TAG, beginsHtml, htmlEnd, isComponentLine, writeHtml } from "./html.js";
import { linkTo, showHost } from "./links.js";

const DEEPEST = 8;
// How far it is looked for the end of what a tag begins.
const FARTHEST = 20_000;
const BLOCKS = new Set(["p", "li", "blockquote", "h3", "h4", "h5", "h6", "td", "th"]);
// Patterns look so far ahead and no further, so that no text can keep the page busy.
const FENCE = /^ {0,3}(`{3,}|~{3,}) *([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,12})([-*+]|\d{1,9}[.)])( +|$)/;
const INDENTED = /^(?: {4}|\t)/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

const INLINE = new RegExp(
  [
    /\\([\\`*_{}[\]()#+\-.!|<>~])/, // 1 an escaped mark
    /(`+)(?!`)([\s\S]{1,1000}?)(?<!`)\2(?!`)/, // 2, 3 code
    /!\[([^\]]{0,300})\]\([^()\s]{0,1000}[^()]{0,300}\)/, // 4 a picture's description
    /\[((?:[^[\]]|\[[^[\]]{0,100}\]){1,500})\]\(<?([^()\s<>]{1,2000})>?(?: +"[^"]{0,200}")?\)/, // 5, 6 a link
    /<(https?:\/\/[^<>\s]{1,2000})>/, // 7 an address
    /(https?:\/\/[^\s<>()[\]"']{0,2000}[^\s<>()[\]"'.,;:!?*_])/, // 8 an address in running text
    /(\*\*|__)(?=\S)([\s\S]{0,1000}?\S)\9(?!\w)/, // 9, 10 strong
    /\*(?=[^\s*])([\s\S]{0,1000}?[^\s*])\*(?!\*)/, // 11 emphasis
    /(?<!\w)_(?=[^\s_])([\s\S]{0,1000}?[^\s_])_(?!\w)/, // 12 emphasis
    /~~(?=\S)([\s\S]{1,1000}?)~~/, // 13 struck out
    /( {2,}|\\)\n/, // 14 a line break
    TAG, // 15, 16, 17 a tag of HTML; none of them for a comment
  ]
    .map((pattern) => pattern.source)
    .join("|"),
  "g",
);

/** Markdown as a fragment of elements. */
export function render(text) {
  const fragment = document.createDocumentFragment();
  writeBlocks(text.replaceAll("\r\n", "\n").split("\n"), fragment, 0);
  return fragment;
}

function writeBlocks(lines, parent, depth) {
  if (depth > DEEPEST) {
    append(parent, "p").textContent = lines.join("\n");
    return;
  }
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    at = writeBlock(lines, at, parent, depth);
  }
}

/** Write the block that begins at a line; returns the line after it. */
function writeBlock(lines, at, parent, depth) {
  const fence = lines[at].match(FENCE);
  if (fence) return writeCode(lines, at, fence, parent);
  if (INDENTED.test(lines[at])) return writeIndented(lines, at, parent);
  if (isComponentLine(lines[at])) return at + 1;
  if (beginsHtml(lines[at])) {
    const end = htmlEnd(lines, at);
    writeHtml(lines.slice(at, end).join("\n"), parent, (text, element) => writeInline(text, element));
    return end;
  }
  const heading = lines[at].match(HEADING);
  if (heading) {
    writeInline(heading[2], append(parent, `h${Math.min(6, heading[1].length + 2)}`));
    return at + 1;
  }
  if (RULE.test(lines[at])) {
    append(parent, "hr");
    return at + 1;
  }
  if (QUOTE.test(lines[at])) {
    const end = firstAfter(lines, at, (line) => !QUOTE.test(line));
    const inside = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
    const quote = append(parent, "blockquote");
    writeBlocks(inside, quote, depth + 1);
    const last = quote.lastElementChild;
    if (last?.localName === "p" && last.textContent.startsWith("— ")) last.className = "origin";
    return end;
  }
  if (isTable(lines, at)) return writeTable(lines, at, parent);
  if (ITEM.test(lines[at])) return writeList(lines, at, parent, depth);
  const end = firstAfter(lines, at, (line, i) => !line.trim() || beginsBlock(lines, i));
  writeInline(lines.slice(at, end).join("\n"), append(parent, "p"));
  return end;
}

function writeCode(lines, at, fence, parent) {
  const marks = fence[1];
  const closes = (line) => {
    const text = line.trim();
    return text.length >= marks.length && [...text].every((character) => character === marks[0]);
  };
  const end = firstAfter(lines, at, closes);
  const code = append(append(parent, "pre"), "code");
  code.textContent = lines.slice(at + 1, end).join("\n");
  if (fence[2]) code.dataset.language = fence[2];
  return end + 1;
}

function writeIndented(lines, at, parent) {
  let end = firstAfter(lines, at, (line) => line.trim() !== "" && !INDENTED.test(line));
  while (!lines[end - 1].trim()) end -= 1;
  const text = lines.slice(at, end).map((line) => line.replace(INDENTED, "")).join("\n");
  append(append(parent, "pre"), "code").textContent = text;
  return end;
}

function isTable(lines, at) {
  const rule = lines[at + 1];
  return lines[at].includes("|") && rule !== undefined && rule.includes("-") && TABLE_RULE.test(rule.slice(0, 500));
}

function writeTable(lines, at, parent) {
  const frame = append(parent, "div");
  frame.className = "table";
  const table = append(frame, "table");
  writeRow(lines[at], append(append(table, "thead"), "tr"), "th");
  const end = firstAfter(lines, at + 1, (line) => !line.includes("|"));
  const body = append(table, "tbody");
  for (const line of lines.slice(at + 2, end)) writeRow(line, append(body, "tr"), "td");
  return end;
}

function writeRow(line, row, kind) {
  const cells = line.trim().replace(/^\|/, "").replace(/\|$/, "").split(/(?<!\\)\|/);
  for (const cell of cells) writeInline(cell.trim().replaceAll("\\|", "|"), append(row, kind));
}

function writeList(lines, at, parent, depth) {
  const [, indent, mark] = lines[at].match(ITEM);
  const isNumbered = /\d/.test(mark);
  const list = append(parent, isNumbered ? "ol" : "ul");
  if (isNumbered) list.start = Number.parseInt(mark, 10);
  while (at < lines.length) {
    const item = lines[at].match(ITEM);
    if (!item || item[1].length > indent.length + 1 || /\d/.test(item[2]) !== isNumbered) break;
    const width = item[0].length;
    const end = itemEnd(lines, at, item[1].length);
    const rest = lines.slice(at + 1, end).map((line) => line.slice(Math.min(width, leadingBlanks(line))));
    writeItem([lines[at].slice(width), ...rest], append(list, "li"), depth);
    at = end;
    const next = firstAfter(lines, at - 1, (line) => line.trim() !== "");
    if (next < lines.length && ITEM.test(lines[next])) at = next;
  }
  return at;
}

/** The first line after an item and what is indented under it. */
function itemEnd(lines, at, indent) {
  let end = at + 1;
  while (end < lines.length) {
    const line = lines[end];
    if (line.trim()) {
      const isNested = leadingBlanks(line) > indent;
      if (!isNested && (!lines[end - 1].trim() || beginsBlock(lines, end))) break;
    }
    end += 1;
  }
  while (end > at + 1 && !lines[end - 1].trim()) end -= 1;
  return end;
}

function writeItem(lines, item, depth) {
  const end = firstAfter(lines, 0, (line, i) => !line.trim() || beginsBlock(lines, i));
  if (beginsBlock(lines, 0)) {
    writeBlocks(lines, item, depth + 1);
    return;
  }
  writeInline(lines.slice(0, end).join("\n"), item);
  writeBlocks(lines.slice(end), item, depth + 1);
}

function beginsBlock(lines, at) {
  const line = lines[at];
  const isMarked = [FENCE, HEADING, RULE, QUOTE, ITEM].some((pattern) => pattern.test(line));
  return isMarked || beginsHtml(line) || isComponentLine(line) || isTable(lines, at);
}

function writeInline(text, parent, depth = 0) {
  if (depth > DEEPEST) {
    parent.append(text);
    return;
  }
  const elements = new OpenElements(parent, true);
  const write = (part) => {
    if (part && !elements.isUnseen) elements.top.append(withoutReferences(part));
  };
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index < at) continue;
    write(text.slice(at, match.index));
    at = match.index + match[0].length;
    const isTag = match[16] !== undefined || match[0].startsWith("<!--");
    if (isTag) {
      const isRead = elements.read([match[0], ...match.slice(15)], text.slice(at, at + FARTHEST));
      if (!isRead) write(match[0]);
    } else if (!elements.isUnseen) writeSpan(match, elements.top, depth + 1);
  }
  write(text.slice(at));
}

function writeSpan(match, parent, depth) {
  const [whole, escaped, , code, picture, label, target, address, bare, , strong, starred, underlined, struck, brk] = match;
  if (escaped !== undefined) parent.append(escaped);
  else if (code !== undefined) append(parent, "code").textContent = code.replaceAll("\n", " ").replace(/^ (.*\S.*) $/, "$1");
  else if (picture !== undefined) parent.append(withoutReferences(picture));
  else if (label !== undefined) writeLink(withoutReferences(target), parent, (link) => writeInline(label, link, depth));
  else if (address !== undefined) writeLink(address, parent, (link) => link.append(address));
  else if (bare !== undefined) writeLink(withoutReferences(bare), parent, (link) => link.append(withoutReferences(bare)));
  else if (strong !== undefined) writeInline(strong, append(parent, "strong"), depth);
  else if (starred !== undefined) writeInline(starred, append(parent, "em"), depth);
  else if (underlined !== undefined) writeInline(underlined, append(parent, "em"), depth);
  else if (struck !== undefined) writeInline(struck, append(parent, "s"), depth);
  else if (brk !== undefined) append(parent, "br");
  else parent.append(whole);
}

function writeLink(target, parent, writeLabel) {
  const link = linkTo(target, parent);
  writeLabel(link);
  showHost(link);
}

function append(parent, name) {
  const element = document.createElement(name);
  // Hebrew and Arabic run from the right, each block by its own first letter.
  if (BLOCKS.has(name)) element.dir = "auto";
  parent.append(element);
  return element;
}

function firstAfter(lines, at, test) {
  for (let i = at + 1; i < lines.length; i += 1) if (test(lines[i], i)) return i;
  return lines.length;
}

function leadingBlanks(line) {
  return line.length - line.trimStart().length;
}
