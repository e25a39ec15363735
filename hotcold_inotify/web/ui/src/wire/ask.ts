// Rule: every request goes through here, has an end, and fails with one of four plain reasons.

import { complaint, type Day, day, type Devices, devices, files, type Listed, ShapeError } from "./shapes";

/** Long enough for a cold disk, short enough that the page says so while the reader still waits. */
const PATIENCE_MS = 10_000;

export type Reason = "unreachable" | "login" | "missing" | "refused";

export class AskError extends Error {
  constructor(
    readonly reason: Reason,
    message: string,
  ) {
    super(message);
  }
}

export const paths = {
  devices: "/api/host/devices",
  login: "/login",
  day: (device: string) => `/api/host/heatmap/${encodeURIComponent(device)}`,
  events: (device: string) => `/api/host/events/${encodeURIComponent(device)}`,
  captures: (device: string, hour: number) => `/api/host/captures/${encodeURIComponent(device)}/${hour}`,
  hotCaptures: (device: string) => `/host/stream/${encodeURIComponent(device)}/captures/`,
  /** The recording from one moment to another, unix milliseconds. */
  playlist: (device: string, start: number, end: number) =>
    `/api/host/playlist/${encodeURIComponent(device)}.m3u8?start=${start / 1000}&end=${end / 1000}`,
};

export function askDevices(signal: AbortSignal): Promise<Devices> {
  return ask(paths.devices, devices, signal);
}

export function askDay(device: string, signal: AbortSignal): Promise<Day> {
  return ask(paths.day(device), day, signal);
}

export function askCaptures(device: string, hour: number, signal: AbortSignal): Promise<Listed[]> {
  return ask(paths.captures(device, hour), files, signal);
}

export function askHotCaptures(device: string, signal: AbortSignal): Promise<Listed[]> {
  return ask(paths.hotCaptures(device), files, signal);
}

/** Logs in; false when the token is not the right one. */
export async function login(token: string, signal: AbortSignal): Promise<boolean> {
  const answer = await send(paths.login, signal, { method: "POST", body: new URLSearchParams({ token }) });
  if (answer.status === 401 || answer.status === 403) return false;
  if (!answer.ok) throw await refusal(answer);
  return true;
}

async function ask<T>(path: string, read: (said: unknown) => T, signal: AbortSignal): Promise<T> {
  const answer = await send(path, signal, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw await refusal(answer);
  try {
    return read(await answer.json());
  } catch (error) {
    if (error instanceof ShapeError || error instanceof SyntaxError) {
      throw new AskError("refused", `The server's answer cannot be read (${error.message}).`);
    }
    throw lost(error, signal);
  }
}

async function send(path: string, signal: AbortSignal, more: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { cache: "no-store", ...more, signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) });
  } catch (error) {
    throw lost(error, signal);
  }
}

/** What a broken connection is called; the caller's own giving up stays what it is. */
function lost(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? error : new AskError("unreachable", "The server does not answer.");
}

async function refusal(answer: Response): Promise<AskError> {
  let words: string | null = null;
  try {
    words = complaint(await answer.json());
  } catch {
    // An error page of a proxy in between is not JSON: the status says enough.
  }
  if (answer.status === 401) return new AskError("login", words ?? "A token is needed.");
  if (answer.status === 404) return new AskError("missing", words ?? "There is no such thing.");
  if (answer.status === 502 || answer.status === 504) return new AskError("unreachable", "The server does not answer.");
  return new AskError("refused", words ?? `The server answered ${answer.status}.`);
}
