// Rule: the screen is never a black hole: while one playlist gives way to the next the last picture stands,
// and what keeps the picture away is said in its place.

import { el, put } from "../page/element";
import { type Notice, notice } from "../page/notice";

export class Screen {
  readonly video = el("video", { playsinline: true, muted: true, preload: "auto", "data-testid": "video", "aria-label": "Video", disablepictureinpicture: true });
  readonly #held = el("canvas", { class: "held", hidden: true, "aria-hidden": "true" });
  readonly #over = el("div", { class: "over" });
  readonly #below = el("div", { class: "below" });
  readonly element = el("div", { class: "screen" }, this.#below, this.video, this.#held, this.#over);
  #said = "";

  constructor() {
    this.video.muted = true; // browsers start a silent video by themselves, and no other
    const release = (): void => put(this.#held, "hidden", true);
    this.video.addEventListener("playing", release);
    this.video.addEventListener("seeked", release);
  }

  /** Lets the picture on show stand until the next one is there. */
  hold(): void {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width === 0 || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    this.#held.width = width;
    this.#held.height = height;
    this.#held.getContext("2d")?.drawImage(this.video, 0, 0);
    put(this.#held, "hidden", false);
  }

  letGo(): void {
    put(this.#held, "hidden", true);
  }

  /** The picture on show, as a PNG; null while there is none. */
  still(): Promise<Blob | null> {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width === 0) return Promise.resolve(null);
    const canvas = el("canvas");
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  /** What lies behind the video, for a device that has only pictures. */
  behind(picture: HTMLElement | null): void {
    this.#below.replaceChildren(...(picture === null ? [] : [picture]));
    put(this.video, "hidden", picture !== null);
  }

  /** Says it over the picture; the same again changes nothing. */
  say(what: Notice | null): void {
    const said = what === null ? "" : `${what.sort}|${what.title}|${typeof what.text === "string" ? what.text : ""}`;
    if (said === this.#said && said !== "") return;
    this.#said = said;
    this.#over.replaceChildren(...(what === null ? [] : [notice(what)]));
    put(this.element, "data-said", what?.sort ?? null);
  }
}
