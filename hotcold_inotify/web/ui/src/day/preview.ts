// Rule: a minute that is looked at shows its picture: beside the cell where there is room and a pointer, else below the day.

import { button, el, put, say } from "../page/element";
import { date, hhmm } from "../wire/moment";
import type { Minute } from "../wire/shapes";
import { contents } from "./minute";

/** Where style/day.css lays the preview below the day. */
const NARROW = "(max-width: 719px), (pointer: coarse)";
const AWAY_PX = 8;

export class Preview {
  readonly element: HTMLElement;
  readonly #image = el("img", { alt: "", hidden: true, "data-testid": "preview-picture" });
  readonly #time = el("span", { class: "preview-time", "data-testid": "preview-time" });
  readonly #what = el("span", { class: "preview-what" });
  readonly #hint = el("span", { class: "preview-hint" }, "Touch the day to look, tap a minute to play it.");
  readonly #play: HTMLButtonElement;
  readonly #docked = matchMedia(NARROW);
  #minute: Minute | null = null;

  constructor(play: (minute: Minute) => void, step: (minute: Minute, by: number) => void) {
    const act = (does: (minute: Minute) => void) => () => {
      if (this.#minute !== null) does(this.#minute);
    };
    this.#play = button("Play", act(play), { class: "primary" });
    const steps = el(
      "div",
      { class: "preview-steps" },
      button("−1 min", act((minute) => step(minute, -1)), { "aria-label": "A minute earlier" }),
      this.#play,
      button("+1 min", act((minute) => step(minute, 1)), { "aria-label": "A minute later" }),
    );
    this.element = el(
      "div",
      { class: "preview", "data-testid": "preview", "data-empty": true },
      el("div", { class: "preview-frame" }, this.#image),
      el("div", { class: "preview-words" }, this.#time, this.#what, this.#hint),
      steps,
    );
  }

  show(minute: Minute, cell: HTMLElement, thumbnail: string | null): void {
    this.#minute = minute;
    if (this.#image.getAttribute("src") !== thumbnail) {
      put(this.#image, "hidden", true);
      put(this.#image, "src", thumbnail);
      if (thumbnail !== null) this.#image.onload = () => put(this.#image, "hidden", false);
    }
    put(this.element, "data-thumbnail", thumbnail !== null);
    say(this.#time, `${date(minute.time)} ${hhmm(minute.time)}`);
    say(this.#what, contents(minute));
    say(this.#play, `Play ${hhmm(minute.time)}`);
    put(this.element, "data-empty", null);
    this.#place(cell);
  }

  /** Docked, it keeps what it showed: a finger that lifts still wants its buttons. */
  hide(): void {
    if (!this.#docked.matches) put(this.element, "data-empty", true);
  }

  #place(cell: HTMLElement): void {
    const { style } = this.element;
    if (this.#docked.matches) {
      style.removeProperty("left");
      style.removeProperty("top");
      return;
    }
    const at = cell.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.min(Math.max(AWAY_PX, at.left + at.width / 2 - width / 2), document.documentElement.clientWidth - width - AWAY_PX);
    const above = at.top - height - AWAY_PX;
    style.left = `${Math.round(left)}px`;
    style.top = `${Math.round(above >= AWAY_PX ? above : at.bottom + AWAY_PX)}px`;
  }
}
