// Elements, made in one line.

/**
 * @param {string} name
 * @param {string} className
 * @param {string | (string | Node)[]} content
 */
export function make(name, className = "", content = []) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...(typeof content === "string" ? [content] : content));
  return element;
}

/** A button that does something; its name where its text says too little. */
export function button(text, onClick, { className = "quiet", name = "" } = {}) {
  const element = make("button", className, text);
  element.type = "button";
  if (name) element.setAttribute("aria-label", name);
  element.addEventListener("click", onClick);
  return element;
}

/**
 * Put blocks in place of those that are there. What is the same from the beginning on stays, with the focus and the
 * selection in it, and what the reader opened stays open.
 */
export function replaceBlocks(parent, blocks) {
  const old = [...parent.children];
  let same = 0;
  for (; same < Math.min(old.length, blocks.length); same += 1) {
    if (old[same].open !== undefined && blocks[same].open !== undefined) blocks[same].open = old[same].open;
    if (!old[same].isEqualNode(blocks[same])) break;
  }
  for (const block of old.slice(same)) block.remove();
  parent.append(...blocks.slice(same));
}
