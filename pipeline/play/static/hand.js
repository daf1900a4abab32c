// An image drawn by hand: what the network sees, what it thinks, and what is nearest to it.

import { $, all, doing, element, fill, paint, percent, post, unpack } from "./common.js";

const paper = $("paper");
const ink = paper.getContext("2d", { willReadFrequently: true });
const PEN = 24;
let drawn = false;
let version = 0;

function clear() {
  version++;
  drawn = false;
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, paper.width, paper.height);
  $("hand-said").textContent = "Nothing is drawn yet.";
  $("hand-probs").replaceChildren();
  $("nearest").replaceChildren();
  $("nearest-said").textContent = "By what the last layer makes of them.";
  $("seen").getContext("2d").clearRect(0, 0, $("seen").width, $("seen").height);
  $("seen").setAttribute("aria-label", "The drawing as the network sees it: nothing yet");
}

function stroke(from, to) {
  ink.strokeStyle = ink.fillStyle = "#fff";
  ink.lineWidth = PEN;
  ink.lineCap = ink.lineJoin = "round";
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.stroke();
  drawn = true;
}

function placeOf(event) {
  const box = paper.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * paper.width, ((event.clientY - box.top) / box.height) * paper.height];
}

let last = null;
paper.addEventListener("pointerdown", (event) => {
  paper.setPointerCapture(event.pointerId);
  last = placeOf(event);
  stroke(last, last);
});
paper.addEventListener("pointermove", (event) => {
  if (!last) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) {
    const place = placeOf(each);
    stroke(last, place);
    last = place;
  }
});
for (const end of ["pointerup", "pointercancel"]) {
  paper.addEventListener(end, () => {
    if (last) think();
    last = null;
  });
}

// With the keyboard: a cross shows where the pen is.
let pen = [140, 80];
let down = false;
let under = null; // the ink below the cross
function lift() {
  if (under) ink.putImageData(under, pen[0] - 10, pen[1] - 10);
  under = null;
}
function mark() {
  under = ink.getImageData(pen[0] - 10, pen[1] - 10, 20, 20);
  ink.strokeStyle = "#888";
  ink.lineWidth = 2;
  ink.strokeRect(pen[0] - 5, pen[1] - 5, 10, 10);
}
const STEPS = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
paper.addEventListener("keydown", (event) => {
  if (event.key !== " " && !(event.key in STEPS)) return;
  event.preventDefault();
  lift();
  const to = event.key in STEPS ? pen.map((place, axis) => Math.min(260, Math.max(20, place + STEPS[event.key][axis]))) : pen;
  if (event.key === " ") down = !down;
  if (down) {
    stroke(pen, to);
    think();
  }
  pen = to;
  mark();
  $("pen").textContent = `The pen is ${down ? "down" : "up"}, ${Math.round(pen[0] / 2.8)} % from the left and ${Math.round(pen[1] / 2.8)} % from the top.`;
});
paper.addEventListener("blur", () => {
  lift();
  down = false;
});

let waiting = 0;
function think() {
  if (!drawn) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => doing(ask), 60);
}

async function ask() {
  const run = $("hand-reader").value;
  if (!run) {
    $("hand-said").textContent = "There is no finished run yet to read it: train one by make train.";
    return;
  }
  const mine = ++version;
  const cross = under;
  lift();
  const png = paper.toDataURL("image/png").split(",")[1];
  if (cross) mark();
  const { pixels, probs } = await post("hand", { run, png });
  if (mine !== version) return;
  const { classes, shape, trainCount } = await all;
  const order = probs.map((_, label) => label).sort((a, b) => probs[b] - probs[a]);
  const [best] = order;
  $("hand-said").textContent = `A ${classes[best]}, says ${run}: ${percent(probs[best])}`;
  paint($("seen"), unpack(pixels), shape);
  $("seen").setAttribute("aria-label", `The drawing as the network sees it, read as ${classes[best]}`);
  $("hand-probs").replaceChildren(
    ...probs.map((prob, label) => {
      const bar = element("i");
      bar.style.width = `${100 * prob}%`;
      return element("li", { className: label === best ? "best" : "" }, element("b", { textContent: classes[label] }), element("span", { className: "bar" }, bar), element("span", { textContent: percent(prob) }));
    }),
  );
  $("nearest-said").textContent = `Reading all ${trainCount.toLocaleString("en")} training images, the first time …`;
  const near = await post("nearest", { run, png });
  if (mine !== version) return;
  const pictures = unpack(near.pixels);
  const size = pictures.length / near.rows.length;
  $("nearest-said").textContent = "Nearest first, by the angle between the activations of the last layer.";
  $("nearest").replaceChildren(
    ...near.rows.map((row, k) => {
      const canvas = element("canvas", { className: "digit", role: "img", "aria-label": `training row ${row}: ${classes[near.labels[k]]}` });
      paint(canvas, pictures.subarray(k * size, (k + 1) * size), shape);
      return element("li", {}, canvas, element("b", { textContent: classes[near.labels[k]] }), element("span", { textContent: `row ${row}` }));
    }),
  );
}

const choices = await all;
if (choices) {
  const fillReaders = () => {
    const runs = choices.runs.map((run) => [run, run]);
    fill($("hand-reader"), runs.length ? runs : [["", "no finished run yet"]], $("hand-reader").value);
  };
  fillReaders();
  addEventListener("choices", fillReaders);
  $("hand-reader").addEventListener("change", think);
  $("clear").addEventListener("click", () => {
    clear();
    paper.focus();
  });
  clear();
}
