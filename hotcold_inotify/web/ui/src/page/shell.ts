// Rule: the frame around every view: where one is, what time it is on the host, and whether the host answers.

import { at, hostNow } from "../wire/hostclock";
import { date, hhmmss, rfc3339, roughly, utcOffset } from "../wire/moment";
import { button, el, put, say } from "./element";
import { ticking } from "./ticker";

export class Shell {
  readonly #main = el("main", { id: "main", tabindex: -1 });
  readonly #crumb = el("span", { class: "crumb" });
  readonly #time = el("time", { class: "host-time", "data-testid": "host-time" });
  readonly #zone = el("span", { class: "host-zone" });
  readonly #host = el("div", { class: "host", hidden: true }, el("span", { class: "host-word" }, "Host time"), this.#time, this.#zone);
  readonly #banner: HTMLElement;
  readonly #bannerText = el("span");
  readonly #countdown = el("span", { class: "countdown", "aria-hidden": "true" });
  #retryAt = 0;
  #heard = false;

  constructor(parent: HTMLElement, askAgain: () => void) {
    this.#banner = el(
      "div",
      { class: "banner", role: "alert", hidden: true, "data-testid": "banner" },
      this.#bannerText,
      this.#countdown,
      button("Try now", askAgain),
    );
    const skip = el("a", { class: "skip", href: "#main" }, "To the content");
    skip.addEventListener("click", (event) => {
      event.preventDefault(); // the part behind # is the route
      this.#main.focus();
    });
    const brand = el("a", { class: "brand", href: "#/" }, el("img", { src: "/assets/mark.svg", alt: "", width: 20, height: 20 }), "hotcold");
    parent.append(skip, el("header", { class: "top" }, el("nav", { "aria-label": "Where you are" }, brand, this.#crumb), this.#host), this.#banner, this.#main);
    ticking(() => this.#tick());
  }

  show(content: HTMLElement, title: string | null, moveFocus: boolean): void {
    document.title = title === null ? "hotcold" : `${title} · hotcold`;
    say(this.#crumb, title ?? "");
    this.#main.replaceChildren(content);
    if (moveFocus) this.#main.focus({ preventScroll: true });
  }

  answered(timezone: string): void {
    this.#heard = true;
    this.#zone.dataset["zone"] = timezone;
    put(this.#banner, "hidden", true);
    this.#tick();
  }

  /** Says above what is still shown that it is no longer fresh. */
  failing(words: string, retryAt: number): void {
    this.#retryAt = retryAt;
    say(this.#bannerText, words);
    put(this.#banner, "hidden", false);
    this.#tick();
  }

  quiet(): void {
    put(this.#banner, "hidden", true);
  }

  #tick(): void {
    if (!this.#banner.hidden) say(this.#countdown, tryingAgain(this.#retryAt));
    put(this.#host, "hidden", !this.#heard);
    if (!this.#heard) return;
    const now = at(hostNow());
    const zone = this.#zone.dataset["zone"] ?? "local";
    say(this.#time, `${date(now)} ${hhmmss(now)}`);
    put(this.#time, "datetime", rfc3339(now));
    say(this.#zone, zone === "local" ? utcOffset(now) : zone);
  }
}

/** "Trying again in 3 s", for a moment of performance.now(). */
export function tryingAgain(retryAt: number): string {
  const left = retryAt - performance.now();
  return left > 0 ? `Trying again in ${roughly(Math.max(1000, left))}` : "Trying again …";
}
