// Rule: everything that ticks ticks together, four times a second, and only while it is seen.

const TICK_MS = 250;
const tickers = new Set<() => void>();
let timer = 0;

/** Calls `tick` now and then on; the answer stops it. */
export function ticking(tick: () => void): () => void {
  tickers.add(tick);
  wind();
  tick();
  return () => {
    tickers.delete(tick);
    wind();
  };
}

function wind(): void {
  const run = tickers.size > 0 && !document.hidden;
  if (run && timer === 0) timer = setInterval(() => tickers.forEach((tick) => tick()), TICK_MS);
  if (!run && timer !== 0) {
    clearInterval(timer);
    timer = 0;
  }
}

document.addEventListener("visibilitychange", wind);
