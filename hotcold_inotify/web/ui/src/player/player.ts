// Rule: one screen, two ways to fill it, now and then; the reader always knows which, and why where there is no picture.

import { NewestPicture } from "../devices/newestpicture";
import { button, el, put, say } from "../page/element";
import { tryingAgain } from "../page/shell";
import { ticking } from "../page/ticker";
import { at, hostNow } from "../wire/hostclock";
import { date, forFileName, hhmm, hhmmss, roughly } from "../wire/moment";
import type { Device, Minute } from "../wire/shapes";
import { Archive, type Recorded } from "./archive";
import { Bar, type Mode } from "./bar";
import { play, type Trouble } from "./engine";
import { Live } from "./live";
import { Screen } from "./screen";
import { openStill } from "./still";

export interface PlayerHears {
  /** The moment on show in a recording, unix milliseconds; null: live. */
  moves(ms: number | null): void;
}

const TROUBLE: Record<Trouble, { title: string; text: string }> = {
  missing: { title: "No video", text: "The server has no playlist for it." },
  unreachable: { title: "The video does not come", text: "The server does not answer, or answers with an error." },
  undecodable: { title: "This browser cannot play it", text: "It has no decoder for this device's video. H.264 with AAC plays everywhere." },
};

export class Player {
  readonly element: HTMLElement;
  readonly #screen = new Screen();
  readonly #bar: Bar;
  readonly #live: Live;
  readonly #archive: Archive;
  readonly #message = el("p", { class: "message", role: "status", "data-testid": "message" });
  readonly #stopTicking: () => void;
  #mode: Mode = "live";
  #device: Device | null = null;
  #pictures: NewestPicture | null = null;
  #retry: { at: number; text: HTMLElement } | null = null;
  #waits = false; // a recording is wanted, and the day is not known yet

  constructor(
    private readonly name: string,
    recorded: Recorded,
    private readonly hears: PlayerHears,
  ) {
    const { video } = this.#screen;
    this.#bar = new Bar(video, {
      toggle: () => this.toggle(),
      step: (byMs) => this.#archive.step(byMs),
      live: () => this.goLive(),
      picture: () => this.#openStill(),
      fullScreen: () => this.#fullScreen(),
    });
    this.#live = new Live(video, {
      starts: () => this.#loading("Starting live video"),
      away: (trouble, retryAt) => this.#away(trouble, retryAt),
    });
    this.#archive = new Archive(video, name, recorded, {
      starts: (ms) => {
        this.#loading(`Loading ${hhmm(at(ms))}`);
        this.hears.moves(ms);
      },
      gap: (start, end) => this.#tell(`Gap of ${roughly(end - start)} skipped: nothing was recorded from ${hhmmss(at(start))} to ${hhmmss(at(end))}.`),
      nothing: (ms, next) => this.#nothing(ms, next),
      ended: (ms, caughtUp) => this.#ended(ms, caughtUp),
      failed: (trouble, ms) => this.#failed(trouble, ms),
    });
    this.element = el("section", { class: "player", "aria-label": "Player", "data-testid": "player" }, this.#screen.element, this.#bar.element, this.#message);
    this.#setMode("live");
    this.#watch(video);
    this.#stopTicking = ticking(() => this.#tick());
  }

  /** What the host says of the device now. */
  update(device: Device): void {
    this.#device = device;
    if (this.#mode !== "live" || this.#waits) return;
    this.#live.update(device);
    if (device.state === "empty") {
      this.#screen.say({ sort: "empty", title: "No files yet", text: `Waiting for the first file of ${device.name}. It appears here by itself.` });
    } else if (device.state === "failed") {
      this.#screen.say({ sort: "failed", title: `${device.name} cannot be read`, text: "The host's disk does not answer, or refuses. Live goes on by itself when it does." });
    } else if (device.state === "stale") {
      const since = device.newest === null ? "" : ` since ${date(at(device.newest.ms))} ${hhmmss(at(device.newest.ms))}`;
      this.#screen.say({ sort: "stale", title: `${device.name} is stale`, text: `No new file${since}. Live goes on by itself as soon as one comes. The day can still be played.` });
      this.#onlyPictures(this.#screen.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA);
    } else this.#onlyPictures(device.live === null);
    if (device.state === "live" && device.live === null) this.#screen.say(null);
    this.#pictures?.update(device);
  }

  /** The reader wants a recording that cannot be looked up yet. */
  wait(): void {
    this.#waits = true;
    this.#setMode("archive");
    this.#loading("Loading the day");
  }

  playFrom(ms: number): void {
    this.#waits = false;
    this.#retry = null;
    this.#tell("");
    if (this.#mode === "live") {
      this.#screen.hold();
      this.#live.stop();
    }
    this.#onlyPictures(false);
    this.#setMode("archive");
    this.#archive.play(ms);
  }

  goLive(): void {
    this.#waits = false;
    this.#retry = null;
    this.#tell("");
    this.#archive.stop();
    this.#live.stop();
    this.#screen.letGo();
    this.#screen.say(null);
    this.#setMode("live");
    this.hears.moves(null);
    if (this.#device !== null) this.update(this.#device);
  }

  toggle(): void {
    const { video } = this.#screen;
    if (!video.paused && !video.ended) return video.pause();
    if (this.#mode === "live") this.#live.catchUp();
    void play(video);
  }

  get mode(): Mode {
    return this.#mode;
  }

  close(): void {
    this.#stopTicking();
    this.#archive.stop();
    this.#live.stop();
    this.#pictures?.close();
  }

  #watch(video: HTMLVideoElement): void {
    video.addEventListener("timeupdate", () => {
      if (this.#mode === "archive") this.#archive.watch();
      this.#tick();
    });
    video.addEventListener("playing", () => {
      put(this.#screen.element, "data-buffering", null);
      if (this.#mode === "live" && this.#device?.state !== "live") return; // the last seconds of a silent device
      this.#retry = null;
      this.#screen.say(null);
      if (this.#mode === "archive") this.#bar.keepRate();
    });
    video.addEventListener("waiting", () => put(this.#screen.element, "data-buffering", true));
    // Where the browser did not let it start by itself, the first picture stands and the play button waits.
    video.addEventListener("canplay", () => {
      put(this.#screen.element, "data-buffering", null);
      if (video.paused && this.#screen.element.dataset["said"] === "loading") this.#screen.say(null);
    });
    video.addEventListener("click", () => this.toggle());
  }

  #setMode(mode: Mode): void {
    this.#mode = mode;
    put(this.element, "data-mode", mode);
    this.#bar.mode(mode);
    this.#tick();
  }

  #tick(): void {
    const source = this.#mode === "live" ? this.#live : this.#archive;
    const ms = this.#moment;
    this.#bar.show(ms, ms === null ? null : hostNow() - ms);
    const piece = source.piece;
    this.#bar.segment(piece?.url ?? null, piece === null ? "" : `${this.name}_${forFileName(at(piece.start))}.ts`);
    if (ms !== null && this.#mode === "archive") this.hears.moves(ms);
    if (this.#retry !== null) say(this.#retry.text, tryingAgain(this.#retry.at));
  }

  /** The moment on show, unix milliseconds. */
  get #moment(): number | null {
    if (this.#mode === "archive") return this.#archive.moment;
    if (this.#pictures === null || this.#device?.state !== "live") return this.#live.moment;
    return this.#device.hot.find(({ kind }) => kind === "captures")?.newest?.ms ?? null;
  }

  #tell(words: string): void {
    say(this.#message, words);
  }

  #loading(title: string): void {
    this.#screen.say({ sort: "loading", title, text: "" });
  }

  /** A device without live video has its pictures, and a silent one its last picture. */
  #onlyPictures(only: boolean): void {
    if (only === (this.#pictures !== null)) return;
    this.#pictures?.close();
    this.#pictures = only ? new NewestPicture(this.name) : null;
    this.#screen.behind(this.#pictures?.element ?? null);
  }

  #away(trouble: Trouble, retryAt: number | null): void {
    this.#screen.hold();
    const text = el("span", {}, TROUBLE[trouble].text, " ");
    const countdown = el("span", { class: "countdown", "aria-hidden": "true" });
    this.#retry = retryAt === null ? null : { at: retryAt, text: countdown };
    text.append(countdown);
    if (this.#device?.state === "live") this.#screen.say({ sort: trouble === "undecodable" ? "unplayable" : "unreachable", title: TROUBLE[trouble].title, text });
  }

  #nothing(ms: number, next: Minute | null): void {
    this.hears.moves(ms);
    this.#screen.letGo();
    this.#screen.say({
      sort: "no-video",
      title: `No video at ${hhmm(at(ms))}`,
      text: next === null ? "Nothing was recorded then, nor after it." : `Nothing was recorded then. The recording goes on at ${hhmm(next.time)}.`,
      actions: [
        ...(next === null ? [] : [button(`Play from ${hhmm(next.time)}`, () => this.playFrom(next.time.ms), { class: "primary", "data-testid": "play-next" })]),
        button("Go live", () => this.goLive()),
      ],
    });
  }

  #ended(ms: number, caughtUp: boolean): void {
    this.#screen.say({
      sort: "ended",
      title: caughtUp ? "That was the newest" : "The recording ends here",
      text: caughtUp ? "The recording has caught up with now." : `Nothing was recorded after ${date(at(ms))} ${hhmmss(at(ms))}.`,
      actions: [button("Go live", () => this.goLive(), { class: "primary" })],
    });
  }

  #failed(trouble: Trouble, ms: number): void {
    this.#screen.letGo();
    this.#screen.say({
      sort: trouble === "undecodable" ? "unplayable" : "failed",
      title: TROUBLE[trouble].title,
      text: TROUBLE[trouble].text,
      actions: [button("Try again", () => this.playFrom(ms), { class: "primary" }), button("Go live", () => this.goLive())],
    });
  }

  #openStill(): void {
    const ms = this.#moment;
    if (ms === null) return;
    const keepsCaptures = this.#device?.hot.some(({ kind }) => kind === "captures") ?? false;
    openStill(this.name, at(ms), keepsCaptures, () => this.#screen.still());
  }

  #fullScreen(): void {
    if (document.fullscreenElement !== null) void document.exitFullscreen();
    else void this.#screen.element.requestFullscreen();
  }
}
