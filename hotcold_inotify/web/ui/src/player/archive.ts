// Rule: from the minute that was chosen on and on, hour after hour: a gap is passed and said, the end is said.

import { paths } from "../wire/ask";
import { hostNow } from "../wire/hostclock";
import { SECOND } from "../wire/moment";
import type { Minute } from "../wire/shapes";
import { Engine, type Piece, play, type Trouble } from "./engine";

/** Pieces lie a little apart or over each other where clocks and encoders round; what is longer is a gap. */
const GAP_MS = 3 * SECOND;
/** Nearer to now than this the recording has been caught up with: what follows is live. */
const CAUGHT_UP_MS = 15 * SECOND;

/** What the archive must know of the day: where something was recorded, how far, and where its hours end. */
export interface Recorded {
  nextRecorded(ms: number): Minute | null;
  minuteAt(ms: number): Minute | null;
  endOfNextHour(ms: number): number;
  /** The newest segment's time, unix milliseconds. */
  newest(): number | null;
}

export interface ArchiveHears {
  starts(ms: number): void;
  /** Nothing was recorded from `start` to `end`, unix milliseconds; playing goes on after it. */
  gap(start: number, end: number): void;
  /** Nothing was recorded in the minute that was asked for; `next` is the first one that has something. */
  nothing(ms: number, next: Minute | null): void;
  /** The newest second has been shown; `caughtUp` when live goes on from here. */
  ended(ms: number, caughtUp: boolean): void;
  failed(trouble: Trouble, ms: number): void;
}

export class Archive {
  #engine: Engine | null = null;
  #covered = 0; // everything recorded up to here was in the playlist
  #expected: number | null = null; // the moment that should be on show next
  #last: { at: number; position: number } | null = null;
  #shown: number | null = null; // the end of the last piece that was on show

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly device: string,
    private readonly recorded: Recorded,
    private readonly hears: ArchiveHears,
  ) {}

  get moment(): number | null {
    return this.#engine?.moment ?? null;
  }

  get piece(): Piece | null {
    return this.#engine?.piece ?? null;
  }

  /** Plays from a moment on. */
  play(ms: number): void {
    const minute = this.recorded.minuteAt(ms);
    if (minute !== null && minute.state !== "files") {
      this.stop();
      return this.hears.nothing(ms, this.recorded.nextRecorded(ms));
    }
    this.#shown = null;
    this.#expect(ms);
    if (this.#engine === null || !this.#engine.seek(ms)) return this.#load(ms);
    this.hears.starts(ms);
    void play(this.video);
  }

  /** Goes forward or back in what is loaded; before its start the recording is asked for anew. */
  step(byMs: number): void {
    const now = this.moment;
    if (this.#engine === null || now === null) return;
    const position = this.video.currentTime + byMs / SECOND;
    if (position < 0) return this.play(now + byMs);
    this.#expect(null);
    this.video.currentTime = position;
  }

  /** Watches the moments go by; called as the video's time changes. */
  watch(): void {
    const at = this.moment;
    const piece = this.piece;
    if (at === null || this.video.seeking) return;
    const position = this.video.currentTime;
    if (this.#last !== null) {
      const skipped = at - this.#last.at - (position - this.#last.position) * SECOND;
      const resumed = piece?.start ?? at;
      if (skipped > GAP_MS) this.hears.gap(resumed - skipped, resumed);
    } else if (this.#expected !== null && at - this.#expected > GAP_MS) this.hears.gap(this.#expected, at);
    this.#last = { at, position };
    this.#shown = piece?.end ?? at;
  }

  stop(): void {
    this.#engine?.close();
    this.#engine = null;
    this.#expect(null);
    this.#shown = null;
  }

  #expect(ms: number | null): void {
    this.#expected = ms;
    this.#last = null;
  }

  /** Loads from a moment to the end of the hour after its own. */
  #load(ms: number): void {
    this.#engine?.close();
    const end = this.recorded.endOfNextHour(ms);
    this.#covered = Math.min(end, hostNow());
    this.hears.starts(ms);
    this.#engine = new Engine(this.video, paths.playlist(this.device, ms, end), false, {
      ready: () => {
        this.#engine?.seek(ms);
        void play(this.video);
      },
      ended: () => this.#runOn(),
      failed: (trouble) => this.#failed(trouble, this.moment ?? ms),
    });
  }

  #failed(trouble: Trouble, ms: number): void {
    const shown = this.#shown;
    const { hears } = this;
    this.stop();
    if (trouble !== "missing") hears.failed(trouble, ms);
    else if (shown !== null) hears.ended(shown, false);
    else hears.nothing(ms, this.recorded.nextRecorded(this.#covered));
  }

  /** The playlist is played: on with what was recorded after it. */
  #runOn(): void {
    const end = this.#shown ?? this.moment ?? this.#covered;
    const newest = this.recorded.newest();
    const caughtUp = newest !== null && hostNow() - newest < CAUGHT_UP_MS && newest - end < CAUGHT_UP_MS;
    const next = this.recorded.nextRecorded(Math.max(end, this.#covered));
    if (caughtUp || next === null || (newest !== null && newest - end < GAP_MS)) return this.hears.ended(end, caughtUp);
    this.#expect(end);
    this.#load(Math.max(end, next.time.ms));
  }
}
