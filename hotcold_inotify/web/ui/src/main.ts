// Rule: one question about the devices feeds every view; the address says which view it is.

import "./style/tokens.css";
import "./style/page.css";
import "./style/devices.css";
import "./style/device.css";
import "./style/day.css";
import "./style/player.css";
import { DevicesView, devicesSkeleton } from "./devices/view";
import { button, el, say } from "./page/element";
import { loginForm } from "./page/login";
import { notice } from "./page/notice";
import { read, type Route } from "./page/route";
import { Shell, tryingAgain } from "./page/shell";
import { ticking } from "./page/ticker";
import type { View } from "./page/view";
import { type AskError, askDevices } from "./wire/ask";
import { hear } from "./wire/hostclock";
import { Repeat } from "./wire/repeat";
import type { Devices } from "./wire/shapes";

const ASK_MS = 1000;

let route = read(location.hash);
let view: View | null = null;
let heard: Devices | null = null;
let needsLogin = false;
let stopCountdown: (() => void) | null = null;

const shell = new Shell(document.body, () => asking.again());
shell.show(route.view === "devices" ? devicesSkeleton() : waiting(), null, false);

const asking = new Repeat(askDevices, ASK_MS, {
  answer(devices) {
    hear(devices.now);
    heard = devices;
    const wasLocked = needsLogin;
    needsLogin = false;
    shell.answered(devices.timezone);
    if (view === null) void open(wasLocked);
    else view.update(devices);
  },
  failure(error, retryAt) {
    if (error.reason === "login") lock();
    else if (view === null && !needsLogin) cannotStart(error, retryAt);
    else if (needsLogin) shell.quiet();
    else shell.failing(error.reason === "unreachable" ? "The server does not answer. What you see is what it said last." : error.message, retryAt);
  },
});

window.addEventListener("hashchange", () => {
  const next = read(location.hash);
  const same = next.view === "device" && route.view === "device" && next.device === route.device;
  route = next;
  // Another moment of the same device is the device view's own matter.
  if (!same && heard !== null && !needsLogin) void open(true);
});

/** Shows the view of the route. */
async function open(moveFocus: boolean): Promise<void> {
  stopCountdown?.();
  view?.close();
  view = null;
  const wanted = route;
  const made = wanted.view === "devices" ? new DevicesView() : await deviceView(wanted);
  if (made === null) return;
  if (wanted !== route || heard === null) return made.close();
  view = made;
  view.update(heard);
  shell.show(view.element, wanted.view === "devices" ? null : view.title, moveFocus);
}

/** The device view comes with the player, which is ten times the rest of the page: it is loaded when it is wanted. */
async function deviceView(wanted: Route & { view: "device" }): Promise<View | null> {
  try {
    const { DeviceView } = await import("./device/view");
    return new DeviceView(wanted.device);
  } catch (error) {
    // The built files changed under an open page, or the connection broke: a fresh start mends both.
    if (!(error instanceof TypeError)) throw error;
    const reload = button("Load the page again", () => location.reload(), { class: "primary" });
    shell.show(notice({ whole: true, sort: "failed", title: "The player did not load", text: "The server was updated, or the connection broke.", actions: [reload] }), wanted.device, true);
    return null;
  }
}

function waiting(): HTMLElement {
  return notice({ whole: true, sort: "loading", title: "Loading", text: "Asking the host for its devices." });
}

function lock(): void {
  if (needsLogin) return;
  needsLogin = true;
  stopCountdown?.();
  view?.close();
  view = null;
  shell.quiet();
  shell.show(loginForm(() => asking.again()), "Log in", false);
  document.querySelector<HTMLElement>("#token")?.focus();
}

/** Nothing has been shown yet, so there is nothing to keep: the whole page says so. */
function cannotStart(error: AskError, retryAt: number): void {
  stopCountdown?.();
  const countdown = el("span", { "data-testid": "countdown", "aria-hidden": "true" });
  const text = el("p", {}, ...(error.reason === "unreachable" ? ["Is ", el("code", {}, "hotcold serve"), " running on the capture host? "] : [`${error.message} `]), countdown);
  const title = error.reason === "unreachable" ? "The server does not answer" : "The server cannot say";
  const again = button("Try now", () => asking.again(), { class: "primary" });
  shell.show(notice({ whole: true, sort: "unreachable", title, text, actions: [again] }), null, false);
  stopCountdown = ticking(() => say(countdown, tryingAgain(retryAt)));
}
