// Rule: the newest picture is on show, whole: it is loaded and decoded beside the one before and then takes its place.

import { el, put } from "../page/element";

/** Captures come several times a second; a small tile needs no more than one, and the host's disk is spared. */
const APART_MS = 900;

export class LivePicture {
  readonly element: HTMLElement;
  readonly #image: HTMLImageElement;
  #wanted: string | null = null;
  #busy = false;
  #closed = false;
  #timer = 0;

  constructor(alt: string) {
    this.#image = el("img", { alt, "data-testid": "picture", hidden: true, draggable: "false" });
    this.element = el("div", { class: "picture", "data-shown": "false" }, this.#image);
  }

  get empty(): boolean {
    return this.#image.hidden && !this.#busy;
  }

  show(url: string): void {
    if (url === this.#image.getAttribute("src")) return;
    this.#wanted = url;
    if (!this.#busy) void this.#load();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #load(): Promise<void> {
    const url = this.#wanted;
    if (url === null || this.#closed || document.hidden) return;
    this.#busy = true;
    this.#wanted = null;
    const next = new Image();
    next.src = url;
    try {
      await next.decode();
      if (this.#closed) return;
      this.#image.src = url;
      put(this.#image, "hidden", false);
      this.element.dataset["shown"] = "true";
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      // Gone or broken: the picture before stays, and the next one comes anyway.
    }
    this.#timer = setTimeout(() => {
      this.#busy = false;
      if (this.#wanted !== null) void this.#load();
    }, APART_MS);
  }
}
