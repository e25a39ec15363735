// Rule: the picture of a moment is the full-size capture while that is kept, else the video's own; which one is said.

import { button, el, say } from "../page/element";
import { AskError, askCaptures } from "../wire/ask";
import { date, forFileName, hhmmss, hourOf, type Moment } from "../wire/moment";
import type { Listed } from "../wire/shapes";

/** Captures lie at most this far from the moment that they show. */
const NEAR_MS = 1500;

/** Opens the picture of a moment over the page. `keepsCaptures`: whether the device has such a folder at all. */
export function openStill(device: string, moment: Moment, keepsCaptures: boolean, fromVideo: () => Promise<Blob | null>): void {
  const closed = new AbortController();
  const title = `${device}, ${date(moment)} ${hhmmss(moment)}`;
  const said = el("p", { class: "still-said", role: "status", "data-testid": "still-said" }, "Looking for the full-size capture …");
  const frame = el("div", { class: "still-frame" });
  const save = el("a", { class: "button primary", hidden: true, "data-testid": "save-picture" }, "Save picture");
  const dialog = el(
    "dialog",
    { class: "still", "aria-label": `Picture of ${title}`, "data-testid": "still" },
    el("div", { class: "still-head" }, el("h2", {}, title), button("Close", () => dialog.close(), { "data-testid": "close-still" })),
    frame,
    el("div", { class: "still-foot" }, said, save),
  );
  let blobUrl: string | null = null;
  dialog.addEventListener("close", () => {
    closed.abort();
    if (blobUrl !== null) URL.revokeObjectURL(blobUrl);
    dialog.remove();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside the picture
  });
  const show = (url: string, words: string, suffix: string): void => {
    const image = el("img", { src: url, alt: `Picture of ${title}` });
    frame.replaceChildren(image);
    image.addEventListener("load", () => say(said, `${words}, ${image.naturalWidth} × ${image.naturalHeight}`));
    save.href = url;
    save.download = `${device}_${forFileName(moment)}${suffix}`;
    save.hidden = false;
  };
  const fill = async (): Promise<void> => {
    // Taken first: the video plays on while the server is asked.
    const still = await fromVideo();
    const capture = keepsCaptures ? await nearestCapture(device, moment, closed.signal) : null;
    if (closed.signal.aborted) return;
    if (capture !== null) return show(capture.url, "Full-size capture", ".jpg");
    if (still === null) return say(said, "There is no picture of this moment any more.");
    blobUrl = URL.createObjectURL(still);
    show(blobUrl, "From the video: full-size captures of this moment are no longer kept", ".png");
  };
  document.body.append(dialog);
  dialog.showModal();
  void fill();
}

async function nearestCapture(device: string, moment: Moment, signal: AbortSignal): Promise<Listed | null> {
  let files: Listed[];
  try {
    files = await askCaptures(device, hourOf(moment), signal);
  } catch (error) {
    if (signal.aborted || error instanceof AskError) return null; // then the video's picture it is
    throw error;
  }
  const away = (file: Listed): number => Math.abs(file.time.ms - moment.ms);
  const nearest = files.reduce<Listed | null>((best, file) => (best === null || away(file) < away(best) ? file : best), null);
  return nearest !== null && away(nearest) <= NEAR_MS ? nearest : null;
}
