// Links: where they may lead, and that they do not pretend to lead elsewhere.

import { make } from "./dom.js";

const HOST = /(?:^|[\s/@(<"'])((?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62})\.){1,8}\p{L}{2,24})(?=$|[\s/:?#)>"',.@])/giu;

/** A link for http and https; other targets (a neighbouring file, a script) lead nowhere from here. */
export function linkTo(target, parent) {
  if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) {
    const place = make("span");
    parent.append(place);
    return place;
  }
  const link = make("a");
  link.href = target;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  parent.append(link);
  return link;
}

/** After the label of a link that names another host: the one that it leads to. */
export function showHost(link) {
  if (link.localName !== "a") return;
  const own = new URL(link.href).hostname;
  const named = [...link.textContent.matchAll(HOST)].map((match) => canonical(match[1]));
  if (named.some((host) => host && host !== bare(own))) link.after(make("span", "host", ` (${own})`));
}

function canonical(name) {
  return URL.canParse(`http://${name}`) ? bare(new URL(`http://${name}`).hostname) : "";
}

function bare(host) {
  return host.replace(/^www\./, "");
}
