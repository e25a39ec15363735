// Rule: the day is asked for as a whole and again as it grows; between the answers the clock alone moves its mark.

import { el, put, say } from "../page/element";
import { notice } from "../page/notice";
import { tryingAgain } from "../page/shell";
import { ticking } from "../page/ticker";
import { type AskError, askDay } from "../wire/ask";
import { hear, hearMinutes, hostNow } from "../wire/hostclock";
import { HOUR, MINUTE } from "../wire/moment";
import { Repeat } from "../wire/repeat";
import type { Day, Minute } from "../wire/shapes";
import { Grid } from "./grid";
import { legend } from "./legend";
import { Preview } from "./preview";

const ASK_MS = 15_000;
/** Files of a minute still arrive a moment after it: asked for then, the minute is whole. */
const AFTER_TURN_MS = 1500;

export interface DayHears {
  play(minute: Minute): void;
  toggle(): void;
  /** The first answer, which says where there is video. */
  known(): void;
}

export class DayPanel {
  readonly element: HTMLElement;
  readonly #grid: Grid;
  readonly #preview: Preview;
  readonly #summary = el("span", { class: "day-summary", "data-testid": "day-summary" });
  readonly #trouble = el("p", { class: "day-trouble", role: "status", hidden: true });
  readonly #instead = notice({ sort: "loading", title: "Loading the day", text: "24 hours, minute by minute." });
  readonly #frame: HTMLElement;
  readonly #asking: Repeat<Day>;
  readonly #stopTicking: () => void;
  #day: Day | null = null;
  #retryAt: number | null = null;
  #words = "";
  #turn = 0;
  #askedTurn = 0;
  #playing: number | null = null;

  constructor(device: string, hears: DayHears) {
    this.#grid = new Grid({
      look: (minute, cell) => this.#look(minute, cell),
      play: (minute) => {
        this.#preview.hide();
        hears.play(minute);
      },
      toggle: () => hears.toggle(),
    });
    this.#preview = new Preview(
      (minute) => hears.play(minute),
      (minute, by) => this.#step(minute, by),
    );
    this.#frame = el("div", { class: "day-frame", "data-loading": true }, this.#grid.element, this.#instead);
    this.element = el(
      "section",
      { class: "day", "aria-labelledby": "day-title" },
      el("div", { class: "day-head" }, el("h2", { id: "day-title" }, "Last 24 hours"), this.#summary),
      this.#frame,
      this.#trouble,
      legend(),
      this.#preview.element,
    );
    this.#asking = new Repeat((signal) => askDay(device, signal), ASK_MS, {
      answer: (day) => this.#answer(day, hears),
      failure: (error, retryAt) => this.#failure(error, retryAt),
    });
    this.#stopTicking = ticking(() => this.#tick());
  }

  /** The day's minutes; empty until the first answer. */
  get minutes(): readonly Minute[] {
    return this.#grid.minutes;
  }

  /** The end of the hour that follows the one `ms` is in, as the host's hours lie. */
  endOfNextHour(ms: number): number {
    const phase = (this.#day?.end ?? 0) % HOUR;
    return Math.floor((ms - phase) / HOUR) * HOUR + phase + 2 * HOUR;
  }

  /** The first minute with files that is not before the one of `ms`. */
  nextRecorded(ms: number): Minute | null {
    return this.minutes.find(({ time, state }) => time.ms + MINUTE > ms && state === "files") ?? null;
  }

  minuteAt(ms: number): Minute | null {
    const start = this.minutes[0]?.time.ms;
    return start === undefined ? null : (this.minutes[Math.floor((ms - start) / MINUTE)] ?? null);
  }

  /** Which moment is on play, unix milliseconds; null: none of the day, live. */
  play(ms: number | null): void {
    this.#playing = ms;
    this.#grid.mark(hostNow(), ms);
  }

  askAgain(): void {
    this.#asking.again();
  }

  close(): void {
    this.#asking.stop();
    this.#stopTicking();
  }

  #answer(day: Day, hears: DayHears): void {
    hear(day.now);
    hearMinutes(day.minutes.map(({ time }) => time));
    const first = this.#day === null;
    this.#day = day;
    this.#retryAt = null;
    put(this.#trouble, "hidden", true);
    put(this.#frame, "data-loading", null);
    this.#instead.remove();
    this.#grid.update(day);
    this.#grid.mark(hostNow(), this.#playing);
    say(this.#summary, summary(day.minutes));
    if (first) hears.known();
  }

  #failure(error: AskError, retryAt: number): void {
    this.#words = error.message;
    this.#retryAt = retryAt;
    this.#tick();
  }

  #tick(): void {
    if (this.#retryAt !== null) {
      put(this.#trouble, "hidden", false);
      say(this.#trouble, `${this.#words} ${tryingAgain(this.#retryAt)}.`);
    }
    if (this.#day === null) return;
    const now = hostNow();
    this.#grid.mark(now, this.#playing);
    const turn = Math.floor((now - AFTER_TURN_MS) / MINUTE);
    if (this.#turn === 0) this.#askedTurn = turn;
    this.#turn = turn;
    if (this.#turn === this.#askedTurn) return;
    this.#askedTurn = this.#turn;
    this.askAgain();
  }

  #look(minute: Minute | null, cell: HTMLElement | null): void {
    if (minute === null || cell === null) return this.#preview.hide();
    this.#preview.show(minute, cell, this.#stillThere(minute) ? minute.thumbnail : null);
  }

  /** At the turn of the hour the oldest row leaves the disk, a moment before the next answer says so. */
  #stillThere(minute: Minute): boolean {
    const end = this.#day?.end ?? 0;
    return hostNow() < end || minute.time.ms >= end - 23 * HOUR;
  }

  #step(minute: Minute, by: number): void {
    const next = this.minuteAt(minute.time.ms + by * MINUTE);
    const cell = next === null ? null : this.#grid.cellOf(next);
    if (next !== null && next.state !== "future") this.#look(next, cell);
  }
}

/** "23 h 14 min recorded · 12 min of gaps" */
function summary(minutes: readonly Minute[]): string {
  const first = minutes.findIndex(({ state }) => state === "files");
  if (first < 0) return "nothing recorded";
  const since = minutes.slice(first).filter(({ state }) => state !== "future");
  const gaps = since.filter(({ state }) => state === "gap").length;
  const recorded = since.length - gaps;
  const hours = recorded >= 60 ? `${Math.floor(recorded / 60)} h ${recorded % 60} min` : `${recorded} min`;
  return gaps === 0 ? `${hours} recorded, no gap` : `${hours} recorded · ${gaps} min in gaps`;
}
