// Rule: "now" is the capture host's now. The reader's clock may be wrong; only its passing is trusted.

import { MINUTE, type Moment } from "./moment";

let ahead: number | null = null; // the host's unix milliseconds less performance.now()
let offsetNow = 0;
let minuteOffsets: readonly Moment[] = [];

/** Takes the host's `now` out of an answer that has just come. */
export function hear(now: Moment): void {
  const heard = now.ms - performance.now();
  // An answer is older the longer it travelled: the youngest one is nearest to the truth. A step of the host's clock wins.
  ahead = ahead === null || Math.abs(heard - ahead) > 2000 ? heard : Math.max(ahead, heard);
  offsetNow = now.offset;
}

/** Takes the day's minutes, which know how far the zone was ahead in each of them. */
export function hearMinutes(minutes: readonly Moment[]): void {
  minuteOffsets = minutes;
}

/** The host's unix milliseconds. */
export function hostNow(): number {
  return ahead === null ? Date.now() : performance.now() + ahead;
}

/** The moment as the host's clock showed it. */
export function at(ms: number): Moment {
  const first = minuteOffsets[0];
  const minute = first === undefined ? undefined : minuteOffsets[Math.floor((ms - first.ms) / MINUTE)];
  return { ms, offset: minute?.offset ?? offsetNow };
}
