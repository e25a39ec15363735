// Rule: what the colours mean stands beside them, drawn by the same style as the cells.

import { INCIDENT_WORDS } from "../devices/status";
import { el } from "../page/element";
import type { Incident } from "../wire/shapes";

export function legend(): HTMLElement {
  const entry = (words: string, attributes: Record<string, string>): HTMLElement =>
    el("li", {}, el("span", { class: "minute", "aria-hidden": "true", ...attributes }), words);
  const full = { "data-state": "files", "data-fullness": "3" };
  const incident = (each: Incident): HTMLElement => entry(INCIDENT_WORDS[each], { ...full, "data-incidents": each });
  return el(
    "ul",
    { class: "legend", "aria-label": "What the cells mean" },
    entry("recorded", full),
    entry("in part", { "data-state": "files", "data-fullness": "1" }),
    entry("gap", { "data-state": "gap" }),
    incident("black"),
    incident("frozen"),
    incident("silent"),
  );
}
