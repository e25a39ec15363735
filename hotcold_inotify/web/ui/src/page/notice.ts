// Rule: what is not there is said: what happened, what the page does about it, what the reader can do.

import { el } from "./element";

export type NoticeSort =
  | "loading"
  | "no-devices"
  | "unreachable"
  | "failed"
  | "missing"
  | "empty"
  | "stale"
  | "no-video"
  | "ended"
  | "unplayable";

export interface Notice {
  sort: NoticeSort;
  title: string;
  text: string | HTMLElement;
  actions?: HTMLElement[];
  /** It is all that the page shows: its title is the page's heading. */
  whole?: boolean;
}

/** A panel that stands where the content would be. */
export function notice({ sort, title, text, actions = [], whole = false }: Notice): HTMLElement {
  const bad = sort === "unreachable" || sort === "failed" || sort === "unplayable";
  return el(
    "div",
    { class: "notice", "data-testid": "notice", "data-sort": sort, role: bad ? "alert" : "status" },
    el("span", { class: "notice-mark", "aria-hidden": "true" }),
    el(whole ? "h1" : "p", { class: "notice-title" }, title),
    el("div", { class: "notice-text" }, text),
    actions.length > 0 ? el("div", { class: "notice-actions" }, ...actions) : null,
  );
}
