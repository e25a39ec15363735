// Rule: a tile tells at a glance whether its device is well: picture, state, age, counts.

import { el, put, say } from "../page/element";
import { write } from "../page/route";
import type { Device } from "../wire/shapes";
import { NewestPicture } from "./newestpicture";
import { Age, Complaints, HotCounts, StatePill } from "./status";

const NOTHING_TO_SEE: Record<Device["state"], string> = {
  live: "Loading the picture",
  stale: "No picture",
  empty: "Waiting for the first file",
  failed: "Its folder cannot be read",
};

export class Tile {
  readonly element: HTMLElement;
  readonly #picture: NewestPicture;
  readonly #instead = el("span", { class: "instead" });
  readonly #pill = new StatePill();
  readonly #age = new Age();
  readonly #counts = new HotCounts();
  readonly #complaints = new Complaints();

  constructor(name: string) {
    this.#picture = new NewestPicture(name);
    this.#picture.element.append(this.#instead, this.#complaints.element);
    const link = el("a", { href: write({ view: "device", device: name, at: null }) }, name);
    this.element = el(
      "li",
      { class: "tile", "data-testid": "tile", "data-device": name },
      this.#picture.element,
      el("div", { class: "tile-head" }, el("h2", {}, link), this.#pill.element, this.#age.element),
      this.#counts.element,
    );
  }

  update(device: Device): void {
    put(this.element, "data-state", device.state);
    say(this.#instead, NOTHING_TO_SEE[device.state]);
    this.#pill.update(device);
    this.#age.update(device);
    this.#counts.update(device);
    this.#complaints.update(device);
    this.#picture.update(device);
  }

  tick(): void {
    this.#age.tick();
  }

  close(): void {
    this.#picture.close();
  }
}
