// Rule: the server's events save the asking where a connection can be spared; the page works the same without them.

import { paths } from "./ask";
import { listed, type Listed, ShapeError } from "./shapes";

/** A browser opens six connections to one HTTP/1.1 server, for all its tabs; an event stream holds one all the time. */
const MOST_STREAMS = 2;

let streams = 0;

export interface Happens {
  screenshot?(picture: Listed): void;
  retired?(): void;
}

/** Listens to one device's events while the page is looked at. */
export class Happenings {
  #source: EventSource | null = null;
  #refused = false;
  readonly #stopped = new AbortController();

  constructor(
    private readonly device: string,
    private readonly happens: Happens,
  ) {
    document.addEventListener("visibilitychange", () => this.#look(), { signal: this.#stopped.signal });
    this.#look();
  }

  /** Whether events are coming; while they are not, the caller asks. */
  get flowing(): boolean {
    return this.#source?.readyState === EventSource.OPEN;
  }

  stop(): void {
    this.#stopped.abort();
    this.#close();
  }

  #look(): void {
    if (document.hidden) this.#close();
    else if (this.#source === null && !this.#refused && streams < MOST_STREAMS) this.#open();
  }

  #open(): void {
    streams += 1;
    const source = new EventSource(paths.events(this.device));
    this.#source = source;
    source.addEventListener("screenshot", (event) => {
      const picture = read(event);
      if (picture !== null) this.happens.screenshot?.(picture);
    });
    source.addEventListener("retired", () => this.happens.retired?.());
    source.addEventListener("error", () => {
      // Closed for good means that the server has no events to give; a broken connection the browser opens again.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#refused = true;
      this.#close();
    });
  }

  #close(): void {
    if (this.#source === null) return;
    this.#source.close();
    this.#source = null;
    streams -= 1;
  }
}

function read(event: MessageEvent<unknown>): Listed | null {
  try {
    return listed(JSON.parse(String(event.data)));
  } catch (error) {
    if (error instanceof ShapeError || error instanceof SyntaxError) return null; // the next question has the answer
    throw error;
  }
}
