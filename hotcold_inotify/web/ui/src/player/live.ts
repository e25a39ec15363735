// Rule: live starts by itself, comes back by itself, and never plays what is no longer live without saying so.

import type { Device } from "../wire/shapes";
import { Engine, type Piece, play, type Trouble } from "./engine";

const AGAIN_MS = [1000, 2000, 4000, 8000];

export interface LiveHears {
  /** It plays, or will as soon as the first segments are here. */
  starts(): void;
  /** Not to be had for now; tried again at `retryAt` of performance.now(), or with the device's next file when null. */
  away(trouble: Trouble, retryAt: number | null): void;
}

export class Live {
  #engine: Engine | null = null;
  #timer = 0;
  #failures = 0;
  #over = false;
  #newest = 0; // of the segments, unix milliseconds
  #last = 0; // the newest one when it was over: an encoder that comes back has written nothing yet, and the old playlist is there

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly hears: LiveHears,
  ) {}

  get moment(): number | null {
    return this.#engine?.moment ?? null;
  }

  get piece(): Piece | null {
    return this.#engine?.piece ?? null;
  }

  /** Starts, or starts anew after a standstill; the device is live again or still. */
  update(device: Device): void {
    this.#newest = (device.hot.find(({ kind }) => kind === "segments")?.newest ?? device.newest)?.ms ?? 0;
    if (device.state !== "live" || device.live === null) {
      // Left as it is: its last picture is the last that there was. Anew with the next segment.
      this.#isOver();
      return;
    }
    if (this.#over && this.#newest <= this.#last) return;
    if (this.#over) this.stop();
    if (this.#engine === null && this.#timer === 0) this.#start(device.live);
  }

  catchUp(): void {
    this.#engine?.catchUp();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#over = false;
    this.#engine?.close();
    this.#engine = null;
  }

  #start(url: string): void {
    this.hears.starts();
    this.#engine = new Engine(this.video, url, true, {
      ready: () => {
        this.#failures = 0;
        void play(this.video);
      },
      // ffmpeg ended its playlist: it stopped.
      ended: () => this.#isOver(),
      failed: (trouble) => this.#failed(trouble, url),
    });
  }

  #isOver(): void {
    this.#over = true;
    this.#last = this.#newest;
  }

  #failed(trouble: Trouble, url: string): void {
    const wait = AGAIN_MS[Math.min(this.#failures++, AGAIN_MS.length - 1)] ?? 0;
    // First told, then closed: its last picture is there to be kept.
    this.hears.away(trouble, trouble === "undecodable" ? null : performance.now() + wait);
    this.#engine?.close();
    this.#engine = null;
    if (trouble === "undecodable") {
      this.#timer = -1; // no timer: nothing that waiting would mend
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#start(url);
    }, wait);
  }
}
