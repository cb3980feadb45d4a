// Citations of an answer: buttons that lead to their passage, and the cited words in it.

import { button, make } from "./dom.js";

const CITATION = /\[(\d{1,6}(?:, \d{1,6})*)\]/g;
const BLOCKS = "p, li, blockquote, td, th, h3, h4, h5, h6";
// Shorter words are mostly those that every sentence has.
const WORD = /[\p{L}\p{N}_]{4,}/gu;

/**
 * Make buttons of the citations in an answer that is drawn.
 *
 * @param {DocumentFragment} root
 * @param {number} count how many passages there are
 * @param {(number: number, sentence: string) => void} onCite
 */
export function linkCitations(root, count, onCite) {
  for (const node of textsOf(root)) {
    const pieces = [];
    let at = 0;
    for (const match of node.data.matchAll(CITATION)) {
      const numbers = match[1].split(", ").map(Number);
      if (numbers.some((number) => number < 1 || number > count)) continue;
      pieces.push(node.data.slice(at, match.index), ...numbers.map((number) => citation(number, onCite)));
      at = match.index + match[0].length;
    }
    if (pieces.length) node.replaceWith(...pieces, node.data.slice(at));
  }
}

function citation(number, onCite) {
  const options = { className: "citation", name: `Source ${number}` };
  const element = button(String(number), () => onCite(number, sentenceOf(element)), options);
  return element;
}

/** What a citation is of: the block that it stands in, or the quotation that it stands below. */
function sentenceOf(citation) {
  const block = citation.closest(BLOCKS);
  return (block?.matches(".origin") ? block.closest("blockquote") : block)?.textContent ?? "";
}

/** Mark the words of a sentence in a passage that is drawn. */
export function markWords(passage, sentence) {
  for (const mark of passage.querySelectorAll("mark")) mark.replaceWith(mark.textContent);
  passage.normalize();
  const wanted = new Set(sentence.toLowerCase().match(WORD));
  for (const node of textsOf(passage)) {
    const pieces = [];
    let at = 0;
    for (const match of node.data.matchAll(WORD)) {
      if (!wanted.has(match[0].toLowerCase())) continue;
      pieces.push(node.data.slice(at, match.index), make("mark", "", match[0]));
      at = match.index + match[0].length;
    }
    if (pieces.length) node.replaceWith(...pieces, node.data.slice(at));
  }
}

/** The texts below an element that are neither code nor a link. */
function textsOf(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) => {
    if (node.nodeType === Node.TEXT_NODE) return NodeFilter.FILTER_ACCEPT;
    return node.matches("pre, code, a, button") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_SKIP;
  });
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}
