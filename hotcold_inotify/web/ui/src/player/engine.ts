// Rule: one playlist in one video element. hls.js plays it; the browser itself does only where hls.js cannot.

import Hls, { ErrorDetails, ErrorTypes, Events, type ErrorData, type Fragment, type HlsConfig, type LevelDetails } from "hls.js/light";
import workerPath from "hls.js/dist/hls.worker.js?url";

/** What stands between the reader and the picture. */
export type Trouble = "missing" | "unreachable" | "undecodable";

export interface EngineHears {
  /** The playlist is read: times can be sought. */
  ready(): void;
  /** The last second of a finished playlist has been shown. */
  ended(): void;
  /** Playing stopped for good; the engine is of no more use. */
  failed(trouble: Trouble): void;
}

/** The segment on show. */
export interface Piece {
  url: string;
  start: number; // unix milliseconds
  end: number;
}

const COMMON: Partial<HlsConfig> = {
  workerPath, // a file of ours: the policy needs no exception for it
  enableWorker: true,
  testBandwidth: false,
  // Cues for what is in the playlist would come by a `data:` track, which the policy keeps out; we read the segments.
  enableDateRangeMetadataCues: false,
  enableEmsgMetadataCues: false,
  enableID3MetadataCues: false,
};

// Three segments behind the newest is where HLS is steady (RFC 8216, 6.3.3); further back than eight it jumps forward.
const LIVE: Partial<HlsConfig> = {
  ...COMMON,
  liveSyncDurationCount: 3,
  liveMaxLatencyDurationCount: 8,
  maxLiveSyncPlaybackRate: 1.1,
  backBufferLength: 10,
};

const RECORDING: Partial<HlsConfig> = { ...COMMON, startPosition: 0, maxBufferLength: 20, backBufferLength: 60 };

/** A moment that lies before the first segment by less than this is in it: a minute's first segment starts a little late. */
const BEFORE_MS = 2000;
const MOST_RECOVERIES = 3;
const MOST_SKIPS = 5;
/** How long a video may take to open what hls.js gives it. */
const OPENS_MS = 250;

export class Engine {
  readonly #hls: Hls | null;
  readonly #closed = new AbortController();
  #recoveries = 0;
  #skips = 0;
  #attaching = false;
  #details: LevelDetails | null = null;

  constructor(
    private readonly video: HTMLVideoElement,
    url: string,
    private readonly live: boolean,
    private readonly hears: EngineHears,
  ) {
    const { signal } = this.#closed;
    video.addEventListener("ended", () => hears.ended(), { signal });
    if (Hls.isSupported()) {
      this.#hls = new Hls(live ? LIVE : RECORDING);
      this.#listen(this.#hls);
      this.#hls.loadSource(url);
      return;
    }
    this.#hls = null;
    if (video.canPlayType("application/vnd.apple.mpegurl") === "") {
      queueMicrotask(() => hears.failed("undecodable"));
      return;
    }
    video.addEventListener("loadedmetadata", () => hears.ready(), { signal });
    video.addEventListener("error", () => hears.failed(video.error?.code === MediaError.MEDIA_ERR_NETWORK ? "unreachable" : "undecodable"), { signal });
    video.src = url;
  }

  /** Which moment the video is on, unix milliseconds; null while that is not known. */
  get moment(): number | null {
    if (this.#hls === null) {
      const start = startDate(this.video);
      return start === null ? null : start + this.video.currentTime * 1000;
    }
    const fragment = this.#fragmentAt(this.video.currentTime);
    if (fragment === null || fragment.programDateTime === null) return null;
    return fragment.programDateTime + (this.video.currentTime - fragment.start) * 1000;
  }

  /** The segment on show; null while none is, or where the browser plays by itself and does not tell. */
  get piece(): Piece | null {
    const fragment = this.#fragmentAt(this.video.currentTime);
    if (fragment === null || fragment.programDateTime === null) return null;
    return { url: fragment.url, start: fragment.programDateTime, end: fragment.programDateTime + fragment.duration * 1000 };
  }

  /** Goes to a moment of the playlist, or to the first one after it; false where the playlist has neither. */
  seek(ms: number): boolean {
    const fragments = this.#details?.fragments ?? [];
    const first = fragments[0]?.programDateTime ?? null;
    if (first === null || ms < first - BEFORE_MS) return false;
    for (const { programDateTime: start, duration, start: position } of fragments) {
      if (start === null || start + duration * 1000 <= ms) continue;
      this.video.currentTime = position + Math.max(0, ms - start) / 1000;
      return true;
    }
    return false;
  }

  /** To the newest second of a live playlist, after a pause. */
  catchUp(): void {
    const edge = this.#hls?.liveSyncPosition ?? null;
    if (edge !== null && edge > this.video.currentTime) this.video.currentTime = edge;
  }

  close(): void {
    this.#closed.abort();
    if (this.#hls === null) {
      this.video.removeAttribute("src");
      this.video.load();
    } else if (this.#attaching) {
      // The video has not opened yet what it was given: taken from it now, the browser would complain of a missing file.
      const hls = this.#hls;
      hls.stopLoad();
      setTimeout(() => hls.destroy(), OPENS_MS);
    } else this.#hls.destroy();
  }

  #listen(hls: Hls): void {
    // A video that is told to play before hls.js has taken it over forgets it: ready is when both are done.
    let attached = false;
    let ready = false;
    const look = (): void => {
      if (!attached || this.#details === null || ready) return;
      ready = true;
      this.hears.ready();
    };
    // Only now: where there is no playlist, the video is left alone.
    hls.on(Events.MANIFEST_PARSED, () => hls.attachMedia(this.video));
    hls.on(Events.MEDIA_ATTACHING, () => {
      this.#attaching = true;
    });
    hls.on(Events.MEDIA_ATTACHED, () => {
      this.#attaching = false;
      if (attached) void play(this.video); // a recovery: it played before
      attached = true;
      look();
    });
    hls.on(Events.LEVEL_UPDATED, (_, { details }) => {
      this.#details = details;
    });
    hls.on(Events.LEVEL_LOADED, (_, { details }) => {
      this.#details = details;
      look();
    });
    hls.on(Events.FRAG_BUFFERED, () => {
      this.#skips = 0;
    });
    hls.on(Events.ERROR, (_, error) => {
      if (error.fatal && !this.#closed.signal.aborted) this.#fatal(hls, error);
    });
  }

  #fatal(hls: Hls, error: ErrorData): void {
    if (error.details === ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR || error.details === ErrorDetails.BUFFER_ADD_CODEC_ERROR) {
      this.hears.failed("undecodable");
    } else if (error.type === ErrorTypes.MEDIA_ERROR) {
      if (this.#recoveries++ < MOST_RECOVERIES) hls.recoverMediaError();
      else this.hears.failed("undecodable");
    } else if (error.response?.code === 404 && error.frag !== undefined && !this.live && this.#skips++ < MOST_SKIPS) {
      // A segment expired under the player: the next one may still be there.
      this.video.currentTime = error.frag.start + error.frag.duration + 0.05;
      hls.startLoad(this.video.currentTime);
    } else this.hears.failed(error.response?.code === 404 ? "missing" : "unreachable");
  }

  #fragmentAt(position: number): Fragment | null {
    const fragments = this.#details?.fragments ?? [];
    let low = 0;
    let high = fragments.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((fragments[middle]?.start ?? 0) <= position + 0.001) low = middle;
      else high = middle - 1;
    }
    return fragments[low] ?? null;
  }
}

/** Safari's date of a playlist's position 0, from its PROGRAM-DATE-TIME; not in the standard's types. */
function startDate(video: HTMLVideoElement): number | null {
  if (!("getStartDate" in video) || typeof video.getStartDate !== "function") return null;
  const start: unknown = video.getStartDate();
  return start instanceof Date && !Number.isNaN(start.getTime()) ? start.getTime() : null;
}

/** Plays where the browser lets us; where it waits for the reader, the play button is there. */
export async function play(video: HTMLVideoElement): Promise<void> {
  try {
    await video.play();
  } catch (error) {
    // NotAllowedError: the reader must press play first. AbortError: something else was loaded meanwhile.
    // NotSupportedError: what the engine reports as a failure, with its reason.
    if (error instanceof DOMException && ["NotAllowedError", "AbortError", "NotSupportedError"].includes(error.name)) return;
    throw error;
  }
}
