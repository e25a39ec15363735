// Rule: an icon is decoration; the button around it carries the words.

const SHAPES = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M6.5 4.5h4v15h-4zM13.5 4.5h4v15h-4z",
  back: "M12.5 5v14L4 12zM20.5 5v14L12 12z",
  forward: "M11.5 5v14l8.5-7zM3.5 5v14L12 12z",
  sound: "M4 9h4l5-4.5v15L8 15H4zM16 8.5q3.5 3.5 0 7l1 1q4.5-4.5 0-9z",
  mute: "M4 9h4l5-4.5v15L8 15H4zM15.5 9.200l1-1L19 10.700l2.5-2.5 1 1L20 11.700l2.5 2.5-1 1L19 12.700l-2.5 2.5-1-1 2.5-2.5z",
  picture: "M3 5h18v14H3zM5 7v8l4-4 4 4 2.5-2.5L19 16V7zM14.5 8.5h2.5v2.5h-2.5z",
  save: "M10.750 3h2.5v9l3.250-3.200 1.700 1.700L12 16.600l-6.200-6.100 1.700-1.700L10.750 12zM4 18.5h16V21H4z",
  full: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
} as const;

export type IconName = keyof typeof SHAPES;

const SVG = "http://www.w3.org/2000/svg";

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  path.setAttribute("fill", "currentColor");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** A button that shows an icon alone; `label` is its name and its tooltip. */
export function iconButton(name: IconName, label: string, act: () => void, testid: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "tool";
  made.dataset["testid"] = testid;
  made.append(icon(name));
  name_(made, label);
  made.addEventListener("click", act);
  return made;
}

/** Gives an icon button another icon and another name. */
export function become(target: HTMLButtonElement, name: IconName, label: string): void {
  if (target.title === label) return;
  target.replaceChildren(icon(name));
  name_(target, label);
}

function name_(target: HTMLElement, label: string): void {
  target.title = label;
  target.setAttribute("aria-label", label);
}
