// Rule: a day is 24 rows of 60 minutes, the running hour last. One cell is in the tab order, the arrows move it
// (the grid pattern of the ARIA Authoring Practices).

import { el, put, say } from "../page/element";
import { date, hhmm, hourOf, MINUTE, weekday } from "../wire/moment";
import type { Day, Minute } from "../wire/shapes";
import { fullness, label, usualFiles } from "./minute";

const HOURS = 24;
const MINUTES = 60;

export interface GridHears {
  /** The reader looks at a minute, by pointer or focus; null: no more. */
  look(minute: Minute | null, cell: HTMLElement | null): void;
  play(minute: Minute): void;
  /** The space bar: playing goes on or stops. */
  toggle(): void;
}

export class Grid {
  readonly element = el("div", { class: "grid", role: "grid", "aria-label": "The last 24 hours, a cell a minute, a row an hour", "aria-readonly": "true", "data-testid": "heatmap" });
  readonly #rows: HTMLElement[] = [];
  readonly #hours: HTMLElement[] = [];
  readonly #cells: HTMLElement[] = [];
  #minutes: readonly Minute[] = [];
  #tabbed = HOURS * MINUTES - 1;
  #pointed: EventTarget | null = null;
  #now = -1;
  #playing = -1;

  constructor(private readonly hears: GridHears) {
    this.element.append(columns());
    for (let row = 0; row < HOURS; row++) this.element.append(this.#row(row));
    this.#listen();
  }

  get minutes(): readonly Minute[] {
    return this.#minutes;
  }

  update(day: Day): void {
    const before = this.#minutes[0]?.time.ms;
    this.#minutes = day.minutes;
    const usual = usualFiles(day.minutes);
    const first = day.minutes.findIndex(({ state }) => state === "files");
    const begins = first < 0 ? day.minutes.length : first;
    day.minutes.forEach((minute, place) => this.#fill(place, minute, usual, place < begins));
    this.#hours.forEach((hour, row) => this.#name(hour, row));
    // An hour later every minute is a row higher: the focus goes with the minute that it was on.
    const start = day.minutes[0]?.time.ms;
    if (before === undefined) this.#tab(this.#placeOf(day.now.ms));
    else if (start !== undefined && start !== before) this.#shift(Math.round((start - before) / MINUTE));
  }

  /** Marks the running minute, and the one that is on play (null: none). */
  mark(now: number, playing: number | null): void {
    this.#now = this.#move(this.#now, this.#placeOf(now), "aria-current", "time");
    this.#playing = this.#move(this.#playing, playing === null ? -1 : this.#placeOf(playing), "aria-selected", "true");
  }

  #move(from: number, to: number, name: string, value: string): number {
    if (from !== to) {
      set(this.#cells[from], name, null);
      set(this.#cells[to], name, value);
    }
    return to;
  }

  cellOf(minute: Minute): HTMLElement | null {
    return this.#cells[this.#placeOf(minute.time.ms)] ?? null;
  }

  #placeOf(ms: number): number {
    const start = this.#minutes[0]?.time.ms;
    if (start === undefined) return -1;
    const place = Math.floor((ms - start) / MINUTE);
    return place >= 0 && place < this.#cells.length ? place : -1;
  }

  #row(row: number): HTMLElement {
    const hour = el("span", { class: "hour", role: "rowheader" });
    this.#hours.push(hour);
    const cells = Array.from({ length: MINUTES }, (_, minute) =>
      el("div", { class: "minute", role: "gridcell", tabindex: -1, "data-testid": "minute", "data-place": row * MINUTES + minute }),
    );
    this.#cells.push(...cells);
    const element = el("div", { class: "row", role: "row" }, hour, ...cells);
    this.#rows.push(element);
    return element;
  }

  /** `before`: ahead of the day's first recording, where nothing is missing. */
  #fill(place: number, minute: Minute, usual: number, before: boolean): void {
    const cell = this.#cells[place];
    if (cell === undefined) return;
    put(cell, "data-time", minute.text);
    put(cell, "data-state", minute.state);
    put(cell, "data-before", before);
    put(cell, "data-files", minute.files);
    put(cell, "data-fullness", fullness(minute, usual));
    put(cell, "data-incidents", minute.incidents.join(" ") || null);
    put(cell, "aria-label", label(minute));
    put(cell, "aria-disabled", minute.state === "future" ? "true" : null);
  }

  #name(hour: HTMLElement, row: number): void {
    const first = this.#minutes[row * MINUTES];
    if (first === undefined) return;
    const above = this.#minutes[(row - 1) * MINUTES];
    const newDay = above === undefined || date(above.time) !== date(first.time);
    say(hour, String(hourOf(first.time)).padStart(2, "0"));
    put(hour, "data-weekday", newDay ? weekday(first.time) : null);
    put(hour, "aria-label", `${date(first.time)} ${hhmm(first.time)}`);
    put(this.#rows[row] ?? hour, "data-new-day", newDay && row > 0);
  }

  #shift(minutes: number): void {
    const focused = document.activeElement === this.#cells[this.#tabbed];
    this.#tab(Math.max(0, this.#tabbed - minutes));
    if (focused) this.#cells[this.#tabbed]?.focus({ preventScroll: true });
  }

  #tab(place: number): void {
    const cell = this.#cells[place];
    if (cell === undefined) return;
    set(this.#cells[this.#tabbed], "tabindex", -1);
    put(cell, "tabindex", 0);
    this.#tabbed = place;
  }

  #listen(): void {
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("click", (event) => {
      const place = placeAt(event.target);
      const minute = this.#minutes[place];
      if (minute === undefined || minute.state === "future") return;
      this.#tab(place);
      this.hears.play(minute);
    });
    this.element.addEventListener("pointermove", (event) => {
      // A finger stays with the cell that it came down on; what lies under it is asked for.
      const under = event.pointerType === "touch" ? document.elementFromPoint(event.clientX, event.clientY) : event.target;
      this.#point(under);
    });
    this.element.addEventListener("pointerdown", (event) => this.#point(event.target));
    this.element.addEventListener("pointerleave", (event) => {
      this.#pointed = null;
      if (event.pointerType !== "touch") this.#lookAtFocus();
    });
    this.element.addEventListener("focusin", () => this.#lookAtFocus());
    this.element.addEventListener("focusout", () => this.hears.look(null, null));
  }

  /** Once a cell: a pointer that rests where it has clicked asks for nothing more. */
  #point(at: EventTarget | null): void {
    if (at === this.#pointed) return;
    this.#pointed = at;
    this.#look(at);
  }

  /** A focus that came by the keyboard looks; one that a click left behind does not. */
  #lookAtFocus(): void {
    this.#look(document.activeElement?.matches(":focus-visible") ? document.activeElement : null);
  }

  #look(at: EventTarget | null): void {
    const place = placeAt(at);
    const minute = this.#minutes[place];
    const cell = this.#cells[place];
    if (minute === undefined || cell === undefined || minute.state === "future") this.hears.look(null, null);
    else this.hears.look(minute, cell);
  }

  #key(event: KeyboardEvent): void {
    const place = placeAt(event.target);
    const minute = this.#minutes[place];
    if (minute === undefined || event.altKey || event.metaKey) return;
    const row = place - (place % MINUTES);
    const last = this.#now < 0 ? this.#cells.length - 1 : this.#now;
    const to: Record<string, number> = {
      ArrowLeft: place - 1,
      ArrowRight: place + 1,
      ArrowUp: place - MINUTES,
      ArrowDown: place + MINUTES,
      Home: event.ctrlKey ? 0 : row,
      End: event.ctrlKey ? last : row + MINUTES - 1,
    };
    const target = to[event.key];
    if (target !== undefined) {
      if (event.key.startsWith("Arrow") && event.ctrlKey) return;
      // Down from the hour before into a minute that is still to come stops at now; out of the day there is no step.
      const reached = target > last && place < last && event.key !== "ArrowRight" ? last : target;
      if (reached >= 0 && reached <= last) {
        this.#tab(reached);
        this.#cells[reached]?.focus();
      }
    } else if (event.key === "Enter") this.hears.play(minute);
    else if (event.key === " ") this.hears.toggle();
    else if (event.key === "Escape") this.hears.look(null, null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** The minutes over the columns: every tenth. */
function columns(): HTMLElement {
  const tens = [0, 10, 20, 30, 40, 50].map((minute) => el("span", {}, `:${String(minute).padStart(2, "0")}`));
  return el("div", { class: "columns", "aria-hidden": "true" }, ...tens);
}

function placeAt(target: EventTarget | null): number {
  return target instanceof HTMLElement ? Number(target.dataset["place"] ?? -1) : -1;
}

function set(cell: HTMLElement | undefined, name: string, value: string | number | null): void {
  if (cell !== undefined) put(cell, name, value);
}
