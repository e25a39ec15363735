// Rule: the bar always says which moment is on show and whether it is now or then.

import { button, el, put, say } from "../page/element";
import { become, icon, iconButton } from "../page/icon";
import { at } from "../wire/hostclock";
import { date, hhmmss, rfc3339, roughly } from "../wire/moment";

export type Mode = "live" | "archive";

export interface BarHears {
  toggle(): void;
  step(byMs: number): void;
  live(): void;
  picture(): void;
  fullScreen(): void;
}

const STEP_MS = 10_000;
const RATES = [0.5, 1, 2, 4];

export class Bar {
  readonly element: HTMLElement;
  readonly #mode = el("span", { class: "mode", "data-testid": "mode" });
  readonly #clock = el("time", { class: "clock", "data-testid": "clock" });
  readonly #behind = el("span", { class: "behind", "data-testid": "behind" });
  readonly #play: HTMLButtonElement;
  readonly #back: HTMLButtonElement;
  readonly #forward: HTMLButtonElement;
  readonly #sound: HTMLButtonElement;
  readonly #rate = el("select", { class: "tool rate", "aria-label": "Speed", title: "Speed", "data-testid": "rate" });
  readonly #picture: HTMLButtonElement;
  readonly #segment = el("a", { class: "tool", "data-testid": "save-segment" }, icon("save"), el("span", { class: "tool-word" }, "Segment"));
  readonly #live: HTMLButtonElement;

  constructor(
    private readonly video: HTMLVideoElement,
    hears: BarHears,
  ) {
    this.#play = iconButton("play", "Play", () => hears.toggle(), "play");
    this.#back = iconButton("back", "10 s back", () => hears.step(-STEP_MS), "back");
    this.#forward = iconButton("forward", "10 s forward", () => hears.step(STEP_MS), "forward");
    this.#sound = iconButton("mute", "Sound on", () => (video.muted = !video.muted), "sound");
    this.#picture = iconButton("picture", "Full-size picture of this moment", () => hears.picture(), "picture-of-moment");
    this.#picture.append(el("span", { class: "tool-word" }, "Picture"));
    this.#live = button("Go live", () => hears.live(), { class: "tool live", "data-testid": "go-live" });
    for (const rate of RATES) this.#rate.append(el("option", { value: rate, selected: rate === 1 }, `${rate}×`));
    this.#rate.addEventListener("change", () => (video.playbackRate = Number(this.#rate.value)));
    const full = iconButton("full", "Full screen", () => hears.fullScreen(), "full-screen");
    this.element = el(
      "div",
      { class: "bar", role: "group", "aria-label": "Player controls" },
      el("div", { class: "bar-now" }, this.#mode, this.#clock, this.#behind, this.#live),
      el("div", { class: "bar-tools" }, this.#play, this.#back, this.#forward, this.#sound, this.#rate, el("span", { class: "spring" }), this.#picture, this.#segment, full),
    );
    for (const event of ["play", "pause", "ended", "emptied"]) video.addEventListener(event, () => this.#turn());
    video.addEventListener("volumechange", () => become(this.#sound, video.muted ? "mute" : "sound", video.muted ? "Sound on" : "Sound off"));
    this.#turn();
  }

  mode(mode: Mode): void {
    if (this.element.dataset["mode"] === mode) return;
    this.element.dataset["mode"] = mode;
    say(this.#mode, mode === "live" ? "Live" : "Recorded");
    for (const only of [this.#back, this.#forward, this.#rate, this.#live]) put(only, "hidden", mode === "live");
    // hls.js holds the speed of live by itself; the choice is for recordings.
    this.#rate.value = "1";
    this.video.playbackRate = 1;
  }

  /** A new video starts at its own speed: the reader's goes on. */
  keepRate(): void {
    this.video.playbackRate = Number(this.#rate.value);
  }

  /** The moment on show, unix milliseconds; null: none. `behind`: how far that is from now. */
  show(ms: number | null, behind: number | null): void {
    put(this.#picture, "disabled", ms === null);
    if (ms === null) {
      say(this.#clock, "–");
      put(this.#clock, "datetime", null);
      put(this.#clock, "data-ms", null);
      return say(this.#behind, "");
    }
    const moment = at(ms);
    say(this.#clock, `${date(moment)} ${hhmmss(moment)}`);
    put(this.#clock, "datetime", rfc3339(moment));
    put(this.#clock, "data-ms", Math.round(ms));
    say(this.#behind, behind === null ? "" : behind < 60_000 ? `${(Math.max(0, behind) / 1000).toFixed(1)} s behind` : `${roughly(behind)} ago`);
  }

  /** The segment on show, to be saved under a name that says what it is; null: none. */
  segment(url: string | null, name: string): void {
    put(this.#segment, "href", url);
    put(this.#segment, "download", url === null ? null : name);
    put(this.#segment, "aria-disabled", url === null ? "true" : null);
    put(this.#segment, "role", url === null ? "link" : null);
    const words = url === null ? "No segment to save" : "Save this moment's segment";
    put(this.#segment, "title", words);
    put(this.#segment, "aria-label", words);
  }

  #turn(): void {
    const stopped = this.video.paused || this.video.ended;
    become(this.#play, stopped ? "play" : "pause", stopped ? "Play" : "Pause");
  }
}
