// Rule: a time is shown as the capture host's clock showed it, wherever the reader sits.

/** A moment: unix milliseconds, and the minutes that the host's zone was ahead of UTC then. */
export interface Moment {
  readonly ms: number;
  readonly offset: number;
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Reads RFC 3339 with an offset; null when it is not that. */
export function moment(text: string): Moment | null {
  const parts = RFC_3339.exec(text);
  const ms = Date.parse(text);
  if (parts === null || Number.isNaN(ms)) return null;
  const offset = parts[1] === undefined ? 0 : Number(parts[2]) * 60 + Number(parts[3]);
  return { ms, offset: parts[1] === "-" ? -offset : offset };
}

/** The moment as RFC 3339, to the second. */
export function rfc3339({ ms, offset }: Moment): string {
  const ahead = Math.abs(offset);
  const sign = offset < 0 ? "-" : "+";
  return `${shown({ ms, offset }).toISOString().slice(0, 19)}${sign}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`;
}

/** The hour on the host's clock, 0..23: the number of its slot. */
export function hourOf(at: Moment): number {
  return shown(at).getUTCHours();
}

/** "14:05" */
export function hhmm(at: Moment): string {
  return shown(at).toISOString().slice(11, 16);
}

/** "14:05:09" */
export function hhmmss(at: Moment): string {
  return shown(at).toISOString().slice(11, 19);
}

const DATE = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" });
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", weekday: "short" });

/** "Mon 23 Nov" */
export function date(at: Moment): string {
  return DATE.format(shown(at)).replace(",", "");
}

/** "Mon" */
export function weekday(at: Moment): string {
  return WEEKDAY.format(shown(at));
}

/** "UTC+01:00" */
export function utcOffset(at: Moment): string {
  return `UTC${rfc3339(at).slice(-6)}`;
}

/** A name that file systems take: "2026-11-23T14-05-09". */
export function forFileName(at: Moment): string {
  return rfc3339(at).slice(0, 19).replaceAll(":", "-");
}

/** How long, to the reader: "0.4 s", "12 s", "3 min 5 s", "2 h 4 min", "3 d 4 h". */
export function howLong(ms: number): string {
  const seconds = Math.max(0, ms) / SECOND;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return roughly(ms);
}

/** How long in whole seconds and larger: "3 s", "3 min", "1 h 12 min". */
export function roughly(ms: number): string {
  const seconds = Math.round(Math.max(0, ms) / SECOND);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return both(Math.floor(seconds / 60), "min", seconds % 60, "s");
  if (seconds < 86400) return both(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "min");
  return both(Math.floor(seconds / 86400), "d", Math.floor((seconds % 86400) / 3600), "h");
}

function both(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`;
}

function shown({ ms, offset }: Moment): Date {
  return new Date(ms + offset * MINUTE);
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
