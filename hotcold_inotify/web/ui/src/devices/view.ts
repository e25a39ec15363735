// Rule: every device of the host, at a glance.

import { el, put, say } from "../page/element";
import { notice } from "../page/notice";
import { ticking } from "../page/ticker";
import type { View } from "../page/view";
import type { Devices } from "../wire/shapes";
import { Tile } from "./tile";

export class DevicesView implements View {
  readonly title = "Devices";
  readonly #summary = el("p", { class: "summary", "data-testid": "summary" });
  readonly #tiles = el("ul", { class: "tiles", "data-testid": "tiles" });
  readonly #none = notice({
    sort: "no-devices",
    title: "No devices yet",
    text: el("p", {}, "A device appears here as soon as its folder is under the root. ", el("code", {}, "hotcold init"), " makes one, ", el("code", {}, "ffmpeg/capture.sh"), " fills it."),
  });
  readonly element = el("div", { class: "devices" }, el("div", { class: "view-head" }, el("h1", {}, "Devices"), this.#summary), this.#none, this.#tiles);
  readonly #shown = new Map<string, Tile>();
  readonly #stopTicking = ticking(() => this.#shown.forEach((tile) => tile.tick()));

  update({ devices }: Devices): void {
    const names = new Set(devices.map(({ name }) => name));
    for (const [name, tile] of this.#shown) {
      if (names.has(name)) continue;
      tile.close();
      tile.element.remove();
      this.#shown.delete(name);
    }
    devices.forEach((device, place) => {
      const tile = this.#shown.get(device.name) ?? this.#add(device.name);
      tile.update(device);
      // Moved only when it is elsewhere: a moved element loses the focus in it.
      if (this.#tiles.children[place] !== tile.element) this.#tiles.insertBefore(tile.element, this.#tiles.children[place] ?? null);
    });
    put(this.#none, "hidden", devices.length > 0);
    put(this.#tiles, "hidden", devices.length === 0);
    say(this.#summary, summary(devices.map(({ state }) => state)));
  }

  close(): void {
    this.#stopTicking();
    this.#shown.forEach((tile) => tile.close());
  }

  #add(name: string): Tile {
    const tile = new Tile(name);
    this.#shown.set(name, tile);
    return tile;
  }
}

/** "3 live · 1 stale" */
function summary(states: readonly string[]): string {
  const words: [string, string][] = [
    ["live", "live"],
    ["stale", "stale"],
    ["empty", "without files"],
    ["failed", "with a disk error"],
  ];
  return words
    .map(([state, word]) => ({ word, count: states.filter((each) => each === state).length }))
    .filter(({ count }) => count > 0)
    .map(({ word, count }) => `${count} ${word}`)
    .join(" · ");
}

/** What stands there until the first answer. */
export function devicesSkeleton(): HTMLElement {
  const blank = (): HTMLElement => el("li", { class: "tile blank", "aria-hidden": "true" }, el("div", { class: "picture" }), el("div", { class: "tile-head" }), el("div", { class: "hot" }));
  return el(
    "div",
    { class: "devices", "data-testid": "loading", "aria-busy": "true" },
    el("div", { class: "view-head" }, el("h1", {}, "Devices"), el("p", { class: "summary", role: "status" }, "Asking the host …")),
    el("ul", { class: "tiles" }, blank(), blank(), blank()),
  );
}
