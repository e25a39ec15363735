// Rule: what the server says is read here, once; past this file it has types that are true.

import { moment, type Moment } from "./moment";

export type State = "live" | "stale" | "empty" | "failed";
export type Incident = "black" | "frozen" | "silent";

export interface HotFolder {
  kind: string;
  files: number;
  limit: number;
  newest: Moment | null;
}

export interface Device {
  name: string;
  state: State;
  newest: Moment | null;
  hot: HotFolder[];
  live: string | null;
  screenshot: string;
  incidents: Incident[];
}

export interface Devices {
  now: Moment;
  timezone: string;
  staleAfter: number; // seconds
  devices: Device[];
}

export interface Minute {
  time: Moment;
  text: string; // the time as the server wrote it
  state: "files" | "gap" | "future";
  files: number;
  thumbnail: string | null;
  incidents: Incident[];
}

export interface Day {
  now: Moment;
  end: number; // unix milliseconds: the end of the running hour
  minutes: Minute[];
}

export interface Listed {
  url: string;
  time: Moment;
}

/** The server said something that is not in its contract. */
export class ShapeError extends Error {}

export function devices(said: unknown): Devices {
  const answer = record(said, "devices");
  return {
    now: time(answer["now"], "now"),
    timezone: text(answer["timezone"], "timezone"),
    staleAfter: number(answer["stale_after"], "stale_after"),
    devices: list(answer["devices"], "devices").map(device),
  };
}

function device(said: unknown): Device {
  const answer = record(said, "device");
  return {
    name: text(answer["name"], "name"),
    state: oneOf(["live", "stale", "empty", "failed"], answer["state"], "state"),
    newest: answer["newest"] === null ? null : time(answer["newest"], "newest"),
    hot: Object.entries(record(answer["hot"], "hot")).map(([kind, folder]) => hotFolder(kind, folder)),
    live: answer["live"] === null ? null : text(answer["live"], "live"),
    screenshot: text(answer["screenshot"], "screenshot"),
    incidents: answer["incidents"] === null ? [] : incidents(answer["incidents"]),
  };
}

function hotFolder(kind: string, said: unknown): HotFolder {
  const answer = record(said, kind);
  return {
    kind,
    files: number(answer["files"], "files"),
    limit: number(answer["limit"], "limit"),
    newest: answer["newest"] === null ? null : time(answer["newest"], "newest"),
  };
}

export function day(said: unknown): Day {
  const answer = record(said, "heatmap");
  return {
    now: time(answer["now"], "now"),
    end: time(answer["end"], "end").ms,
    minutes: list(answer["minutes"], "minutes").map(minute),
  };
}

function minute(said: unknown): Minute {
  const answer = record(said, "minute");
  return {
    time: time(answer["time"], "time"),
    text: text(answer["time"], "time"),
    state: oneOf(["files", "gap", "future"], answer["state"], "state"),
    files: number(answer["files"], "files"),
    thumbnail: answer["thumbnail"] === null ? null : text(answer["thumbnail"], "thumbnail"),
    incidents: incidents(answer["incidents"]),
  };
}

/** The files of an hour list, or of a hot listing, by time. */
export function files(said: unknown): Listed[] {
  return list(record(said, "list")["files"], "files").map(listed);
}

/** One new file, as an event tells it. */
export function listed(said: unknown): Listed {
  const answer = record(said, "file");
  return { url: text(answer["url"], "url"), time: time(answer["time"], "time") };
}

/** The words of an error answer; null when it has none. */
export function complaint(said: unknown): string | null {
  const words = typeof said === "object" && said !== null && "error" in said ? said.error : null;
  return typeof words === "string" ? words : null;
}

function incidents(said: unknown): Incident[] {
  return list(said, "incidents").map((each) => oneOf(["black", "frozen", "silent"], each, "incident"));
}

function record(said: unknown, what: string): Record<string, unknown> {
  if (typeof said === "object" && said !== null && !Array.isArray(said)) return said as Record<string, unknown>;
  throw new ShapeError(`${what}: not an object`);
}

function list(said: unknown, what: string): unknown[] {
  if (Array.isArray(said)) return said;
  throw new ShapeError(`${what}: not a list`);
}

function text(said: unknown, what: string): string {
  if (typeof said === "string") return said;
  throw new ShapeError(`${what}: not a text`);
}

function number(said: unknown, what: string): number {
  if (typeof said === "number") return said;
  throw new ShapeError(`${what}: not a number`);
}

function time(said: unknown, what: string): Moment {
  const read = moment(text(said, what));
  if (read !== null) return read;
  throw new ShapeError(`${what}: not an RFC 3339 time`);
}

function oneOf<T extends string>(choices: readonly T[], said: unknown, what: string): T {
  const found = choices.find((choice) => choice === said);
  if (found !== undefined) return found;
  throw new ShapeError(`${what}: none of ${choices.join(", ")}`);
}
