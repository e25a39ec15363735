// Rule: one view at a time; it is told of every answer about the devices, and leaves nothing running behind.

import type { Devices } from "../wire/shapes";

export interface View {
  readonly element: HTMLElement;
  readonly title: string;
  update(devices: Devices): void;
  close(): void;
}
