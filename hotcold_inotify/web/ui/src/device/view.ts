// Rule: one device: what it shows now, what it has of the last 24 hours, and the moment on play in the address.

import { Age, Complaints, HotCounts, StatePill, STATE_WORDS } from "../devices/status";
import { DayPanel } from "../day/day";
import { el, put, say } from "../page/element";
import { notice } from "../page/notice";
import { read, write } from "../page/route";
import { ticking } from "../page/ticker";
import type { View } from "../page/view";
import { Player } from "../player/player";
import { at } from "../wire/hostclock";
import { Happenings } from "../wire/happenings";
import { MINUTE } from "../wire/moment";
import type { Device, Devices } from "../wire/shapes";

export class DeviceView implements View {
  readonly element = el("div", { class: "device", "data-testid": "device" });
  #open: OpenDevice | null = null;

  constructor(readonly title: string) {}

  update(devices: Devices): void {
    const device = devices.devices.find(({ name }) => name === this.title);
    if (device === undefined) return this.#missing();
    if (this.#open === null) {
      this.#open = new OpenDevice(device);
      this.element.replaceChildren(this.#open.element);
    }
    this.#open.update(device, devices);
  }

  close(): void {
    this.#open?.close();
  }

  #missing(): void {
    if (this.#open === null && this.element.firstChild !== null) return;
    this.#open?.close();
    this.#open = null;
    const back = el("a", { class: "button primary", href: "#/" }, "All devices");
    this.element.replaceChildren(notice({ whole: true, sort: "missing", title: `There is no device ${this.title}`, text: "Its folder is not under the root, or the configuration leaves it out. It appears here as soon as it is there.", actions: [back] }));
  }
}

class OpenDevice {
  readonly element: HTMLElement;
  readonly #pill = new StatePill();
  readonly #age = new Age();
  readonly #counts = new HotCounts();
  readonly #complaints = new Complaints();
  readonly #others = el("select", { "aria-label": "Another device", "data-testid": "other-device" });
  readonly #player: Player;
  readonly #day: DayPanel;
  readonly #happenings: Happenings;
  readonly #stopTicking: () => void;
  readonly #closed = new AbortController();
  readonly #name: string;
  #newest: number | null = null;
  #minute: number | null | undefined; // the minute in the address; undefined: not looked at yet

  constructor(device: Device) {
    this.#name = device.name;
    this.#day = new DayPanel(device.name, {
      play: (minute) => this.#player.playFrom(minute.time.ms),
      toggle: () => this.#player.toggle(),
      known: () => this.#follow(),
    });
    this.#player = new Player(
      device.name,
      {
        nextRecorded: (ms) => this.#day.nextRecorded(ms),
        minuteAt: (ms) => this.#day.minuteAt(ms),
        endOfNextHour: (ms) => this.#day.endOfNextHour(ms),
        newest: () => this.#newest,
      },
      { moves: (ms) => this.#moves(ms) },
    );
    this.#happenings = new Happenings(device.name, { retired: () => this.#day.askAgain() });
    this.#others.addEventListener("change", () => {
      location.hash = write({ view: "device", device: this.#others.value, at: null });
    });
    this.element = el(
      "div",
      { class: "device-parts" },
      el(
        "div",
        { class: "view-head" },
        el("h1", {}, device.name),
        this.#pill.element,
        this.#age.element,
        this.#complaints.element,
        el("span", { class: "spring" }),
        this.#counts.element,
        this.#others,
      ),
      this.#player.element,
      this.#day.element,
    );
    this.#stopTicking = ticking(() => this.#age.tick());
    const { signal } = this.#closed;
    window.addEventListener("hashchange", () => this.#follow(), { signal });
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
    if (this.#wanted() !== null) this.#player.wait();
  }

  update(device: Device, devices: Devices): void {
    this.#newest = (device.hot.find(({ kind }) => kind === "segments")?.newest ?? device.newest)?.ms ?? null;
    this.#pill.update(device);
    this.#age.update(device);
    this.#counts.update(device);
    this.#complaints.update(device);
    this.#list(devices);
    this.#player.update(device);
  }

  close(): void {
    this.#closed.abort();
    this.#stopTicking();
    this.#happenings.stop();
    this.#player.close();
    this.#day.close();
  }

  #wanted(): number | null {
    const route = read(location.hash);
    return route.view === "device" && route.device === this.#name ? (route.at?.ms ?? null) : null;
  }

  /** Does what the address says: it was opened, typed in, or gone back to. */
  #follow(): void {
    const wanted = this.#wanted();
    if (wanted !== null && this.#day.minutes.length > 0) this.#player.playFrom(wanted);
    else if (wanted === null && this.#player.mode === "archive") this.#player.goLive();
  }

  /** The address goes along minute by minute, without a trail of entries to go back through. */
  #moves(ms: number | null): void {
    const minute = ms === null ? null : Math.floor(ms / MINUTE) * MINUTE;
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#day.play(minute);
    history.replaceState(null, "", write({ view: "device", device: this.#name, at: minute === null ? null : at(minute) }));
  }

  #list({ devices }: Devices): void {
    const names = devices.map(({ name }) => name);
    put(this.#others, "hidden", names.length < 2);
    if ([...this.#others.options].map(({ value }) => value).join("\n") !== names.join("\n")) {
      this.#others.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
    }
    // A list that the reader has open is left alone.
    if (document.activeElement !== this.#others) this.#others.value = this.#name;
    devices.forEach(({ name, state }, place) => {
      const option = this.#others.options[place];
      if (option !== undefined) say(option, state === "live" ? name : `${name} (${STATE_WORDS[state]})`);
    });
  }

  /** The space bar plays and stops wherever it has no other meaning. */
  #key(event: KeyboardEvent): void {
    if (event.key !== " " || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target instanceof Element && event.target.closest("a, button, input, select, dialog, [role=grid]") !== null) return;
    event.preventDefault();
    this.#player.toggle();
  }
}
