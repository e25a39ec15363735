// Rule: a question is asked again and again, never twice at once, never while nobody looks, and more slowly while it fails.

import { AskError } from "./ask";

const SLOWER_MS = [1000, 2000, 4000, 8000, 15_000];

export interface Hears<T> {
  answer(value: T): void;
  /** `retryAt` is of performance.now(). */
  failure(error: AskError, retryAt: number): void;
}

export class Repeat<T> {
  #timer = 0;
  #failures = 0;
  #asking: AbortController | null = null;
  readonly #stopped = new AbortController();

  constructor(
    private readonly ask: (signal: AbortSignal) => Promise<T>,
    private readonly everyMs: number,
    private readonly hears: Hears<T>,
  ) {
    document.addEventListener("visibilitychange", () => this.#look(), { signal: this.#stopped.signal });
    this.#look();
  }

  /** Asks at once, in place of a question that is still out. */
  again(): void {
    if (this.#stopped.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    void this.#once();
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  #look(): void {
    clearTimeout(this.#timer);
    if (!document.hidden) this.again();
  }

  async #once(): Promise<void> {
    const asking = new AbortController();
    this.#asking = asking;
    let wait = this.everyMs;
    let tell: () => void;
    try {
      const value = await this.ask(asking.signal);
      this.#failures = 0;
      tell = () => this.hears.answer(value);
    } catch (error) {
      if (asking.signal.aborted) return;
      if (!(error instanceof AskError)) throw error;
      wait = Math.max(wait, SLOWER_MS[Math.min(this.#failures, SLOWER_MS.length - 1)] ?? 0);
      this.#failures += 1;
      tell = () => this.hears.failure(error, performance.now() + wait);
    }
    if (asking.signal.aborted) return;
    if (!document.hidden) this.#timer = setTimeout(() => void this.#once(), wait);
    tell();
  }
}
