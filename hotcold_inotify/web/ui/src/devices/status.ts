// Rule: a device's state, age and counts look and read the same wherever they are shown.

import { el, put, say } from "../page/element";
import { at, hostNow } from "../wire/hostclock";
import { date, hhmmss, howLong, rfc3339 } from "../wire/moment";
import type { Device, Incident, State } from "../wire/shapes";

export const STATE_WORDS: Record<State, string> = { live: "live", stale: "stale", empty: "no files", failed: "disk error" };

export const INCIDENT_WORDS: Record<Incident, string> = { black: "black picture", frozen: "frozen picture", silent: "no sound" };

export class StatePill {
  readonly element = el("span", { class: "pill", "data-testid": "state" });

  update(device: Device): void {
    this.element.dataset["state"] = device.state;
    say(this.element, STATE_WORDS[device.state]);
  }
}

/** How old the newest file is, ticking between the answers. */
export class Age {
  readonly #age = el("time", { class: "age", "data-testid": "age" });
  readonly element = el("span", { class: "age-line" }, el("span", { class: "visually-hidden" }, "newest file "), this.#age);
  #newest: number | null = null;

  update(device: Device): void {
    this.#newest = device.newest?.ms ?? null;
    this.tick();
  }

  tick(): void {
    if (this.#newest === null) {
      say(this.#age, "–");
      return put(this.#age, "datetime", null);
    }
    const newest = at(this.#newest);
    say(this.#age, `${howLong(hostNow() - this.#newest)} ago`);
    put(this.#age, "datetime", rfc3339(newest));
    put(this.#age, "title", `${date(newest)} ${hhmmss(newest)}`);
  }
}

/** "segments 10/10", one a kind. */
export class HotCounts {
  readonly element = el("dl", { class: "hot", "aria-label": "Files in the hot folders" });
  readonly #counts = new Map<string, HTMLElement>();

  update(device: Device): void {
    for (const { kind, files, limit } of device.hot) {
      const count = this.#counts.get(kind) ?? this.#add(kind);
      say(count, `${files}/${limit}`);
      count.dataset["fill"] = files > limit ? "over" : files === limit ? "full" : files === 0 ? "none" : "some";
    }
    for (const [kind, count] of this.#counts) {
      if (device.hot.some((folder) => folder.kind === kind)) continue;
      count.parentElement?.remove();
      this.#counts.delete(kind);
    }
  }

  #add(kind: string): HTMLElement {
    const count = el("dd", { "data-testid": "hot-count", "data-kind": kind });
    this.#counts.set(kind, count);
    this.element.append(el("div", {}, el("dt", {}, kind), count));
    return count;
  }
}

/** What the newest analysis complains about. */
export class Complaints {
  readonly element = el("ul", { class: "complaints", "aria-label": "Seen right now" });

  update(device: Device): void {
    const words = device.state === "live" ? device.incidents.map((each) => INCIDENT_WORDS[each]) : [];
    if (this.element.dataset["said"] === words.join()) return;
    this.element.dataset["said"] = words.join();
    this.element.replaceChildren(...device.incidents.slice(0, words.length).map((each) => el("li", { "data-incident": each }, INCIDENT_WORDS[each])));
    put(this.element, "hidden", words.length === 0);
  }
}
