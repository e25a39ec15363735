// Rule: a device's newest picture, by its events where they flow, else by the answers about all devices; when it is
// stale, its last picture, which stays under its own address.

import { AskError, askHotCaptures } from "../wire/ask";
import { Happenings } from "../wire/happenings";
import type { Device } from "../wire/shapes";
import { LivePicture } from "./livepicture";

export class NewestPicture {
  readonly #picture: LivePicture;
  readonly #happenings: Happenings;
  readonly #closed = new AbortController();
  #askedForLast = false;
  #shownNewest = 0;

  constructor(private readonly name: string) {
    this.#picture = new LivePicture(`Newest picture of ${name}`);
    this.#happenings = new Happenings(name, { screenshot: ({ url }) => this.#picture.show(url) });
  }

  get element(): HTMLElement {
    return this.#picture.element;
  }

  update(device: Device): void {
    const captures = device.hot.find(({ kind }) => kind === "captures");
    if (captures === undefined || captures.newest === null) return;
    if (device.state === "stale") {
      if (this.#picture.empty && !this.#askedForLast) void this.#last();
      return;
    }
    // Asked for only when a new one is there: an old one would be refused.
    const isNew = captures.newest.ms > this.#shownNewest;
    this.#shownNewest = captures.newest.ms;
    if (device.state === "live" && isNew && !(this.#happenings.flowing && !this.#picture.empty)) {
      this.#picture.show(`${device.screenshot}?at=${captures.newest.ms}`);
    }
  }

  close(): void {
    this.#closed.abort();
    this.#happenings.stop();
    this.#picture.close();
  }

  async #last(): Promise<void> {
    this.#askedForLast = true;
    try {
      const last = (await askHotCaptures(this.name, this.#closed.signal)).at(-1);
      if (last !== undefined) this.#picture.show(last.url);
    } catch (error) {
      if (this.#closed.signal.aborted || error instanceof AskError) return; // the tile says "stale" without a picture too
      throw error;
    }
  }
}
