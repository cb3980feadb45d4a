// Buttons that copy: an answer, a block of code.

import { button, make } from "./dom.js";

const SHOWN_MS = 1600;

export function copyButton(textOf, options = {}) {
  const element = button("Copy", async () => {
    element.textContent = (await copy(textOf())) ? "Copied" : "Cannot copy";
    setTimeout(() => {
      element.textContent = "Copy";
    }, SHOWN_MS);
  }, options);
  return element;
}

/** Give each block of code below an element its button. */
export function addCopyButtons(root) {
  for (const block of root.querySelectorAll("pre")) {
    const frame = make("div", "code");
    block.replaceWith(frame);
    // Wide code is scrolled, by keyboard too.
    block.tabIndex = 0;
    block.setAttribute("role", "region");
    block.setAttribute("aria-label", "Code");
    frame.append(block, copyButton(() => block.textContent, { className: "quiet copy", name: "Copy the code" }));
  }
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
