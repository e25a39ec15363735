// Rule: what a minute was is told in words as well as in colour.

import { INCIDENT_WORDS } from "../devices/status";
import { date, hhmm } from "../wire/moment";
import type { Minute } from "../wire/shapes";

/** How full a minute is, against a usual one of this day: 0 (no file) to 3 (all of them). */
export type Fullness = 0 | 1 | 2 | 3;

export function fullness(minute: Minute, usual: number): Fullness {
  if (minute.state !== "files" || minute.files === 0) return 0;
  const share = minute.files / Math.max(1, usual);
  return share >= 0.9 ? 3 : share >= 0.5 ? 2 : 1;
}

/** The files of a usual minute: the median of those that have any. */
export function usualFiles(minutes: readonly Minute[]): number {
  const counts = minutes.filter(({ state }) => state === "files").map(({ files }) => files);
  counts.sort((a, b) => a - b);
  return counts[Math.floor(counts.length / 2)] ?? 0;
}

/** "300 files, black picture", "nothing recorded" */
export function contents(minute: Minute): string {
  if (minute.state === "future") return "still to come";
  if (minute.state === "gap") return "nothing recorded";
  const files = minute.files === 1 ? "1 file" : `${minute.files} files`;
  return [files, ...minute.incidents.map((each) => INCIDENT_WORDS[each])].join(", ");
}

/** "Mon 23 Nov 14:05: 300 files, black picture" */
export function label(minute: Minute): string {
  return `${date(minute.time)} ${hhmm(minute.time)}: ${contents(minute)}`;
}
