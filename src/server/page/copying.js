// Buttons that copy: an answer, a block of code.

import { button, make } from "./dom.js";

const SHOWN_MS = 1600;

export function copyButton(textOf, options = {}) {
  const element = button("Copy", async () => {
    element.textContent = (await copy(textOf(), element)) ? "Copied" : "Cannot copy";
    setTimeout(() => {
      element.textContent = "Copy";
    }, SHOWN_MS);
  }, options);
  return element;
}

/** Give each block of code below an element its button; and what may be too wide is scrolled, by keyboard too. */
export function addControls(root) {
  for (const table of root.querySelectorAll(".table")) letScroll(table, "Table");
  for (const block of root.querySelectorAll("pre")) {
    const frame = make("div", "code");
    block.replaceWith(frame);
    letScroll(block, "Code");
    frame.append(block, copyButton(() => block.textContent, { className: "quiet copy", name: "Copy the code" }));
  }
}

function letScroll(element, name) {
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", name);
}

async function copy(text, beside) {
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
  beside.after(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
}
