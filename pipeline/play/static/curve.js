// The share of draws that are still read right, as one control moves: a line for all, one for each class.

import { element, percent } from "./common.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 120;
const LEFT = 34;
const BOTTOM = 20;
const TOP = 8;

function shape(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export function drawCurve(box, { words, places, shares, byClass, labels, classes, value }) {
  const [low, high] = [places[0], places.at(-1)];
  const x = (place) => LEFT + ((place - low) / (high - low || 1)) * (WIDTH - LEFT - 8);
  // From the lowest share, or from 0.9 if all are above: small losses shall be seen, too.
  const least = Math.min(0.9, Math.floor(10 * Math.min(...byClass.flat())) / 10);
  const y = (share) => TOP + ((1 - share) / (1 - least)) * (HEIGHT - TOP - BOTTOM);
  const points = (values) => values.map((share, i) => `${x(places[i]).toFixed(1)},${y(share).toFixed(1)}`).join(" ");
  const nearest = places.reduce((best, place, i) => (Math.abs(place - value) < Math.abs(places[best] - value) ? i : best), 0);
  const last = byClass.at(-1);
  const worst = last.indexOf(Math.min(...last));
  const round = (number) => Number(number.toPrecision(3));
  const said = `Read right with ${words} at ${round(low)}: ${percent(shares[0])}; at ${round(high)}: ${percent(shares.at(-1))}, least ${classes[labels[worst]]}: ${percent(last[worst])}.`;
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said });
  for (const share of [least, (1 + least) / 2, 1]) {
    svg.append(shape("line", { class: "grid", x1: LEFT, x2: WIDTH - 8, y1: y(share), y2: y(share) }));
    svg.append(shape("text", { class: "axis", x: LEFT - 5, y: y(share) + 4, "text-anchor": "end" }, String(round(share))));
  }
  labels.forEach((label, k) => {
    const line = shape("polyline", { class: `class-line k${label % 10}`, points: points(byClass.map((each) => each[k])) });
    line.append(shape("title", {}, `${classes[label]}: ${percent(last[k])} at ${round(high)}`));
    svg.append(line);
  });
  svg.append(shape("polyline", { class: "all-line", points: points(shares) }));
  svg.append(shape("line", { class: "here", x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM }));
  svg.append(shape("text", { class: "axis", x: LEFT, y: HEIGHT - 5 }, String(round(low))));
  svg.append(shape("text", { class: "axis", x: WIDTH - 8, y: HEIGHT - 5, "text-anchor": "end" }, String(round(high))));
  const here = `about ${percent(shares[nearest])} here`;
  box.replaceChildren(svg, element("p", { className: "small", textContent: `${said} Thick: all, ${here}; thin: each class.` }));
}
