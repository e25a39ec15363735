// Rule: what is looked at stands in the address, so that it can be sent to somebody.

import { moment, type Moment, rfc3339 } from "../wire/moment";

export type Route = { view: "devices" } | { view: "device"; device: string; at: Moment | null };

/** #/ , #/device/capture1 , #/device/capture1?at=2026-11-23T09:04:00+00:00 */
export function read(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const [, view, name] = path.split("/");
  if (view !== "device" || !name) return { view: "devices" };
  const at = /(?:^|&)at=([^&]*)/.exec(query)?.[1];
  return { view: "device", device: decode(name), at: at === undefined ? null : moment(decode(at)) };
}

export function write(route: Route): string {
  if (route.view === "devices") return "#/";
  const at = route.at === null ? "" : `?at=${rfc3339(route.at)}`;
  return `#/device/${encodeURIComponent(route.device)}${at}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand: a lone % stands for itself
  }
}
