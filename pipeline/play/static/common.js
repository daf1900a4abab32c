// What all three views share: the doors, pixels on canvases, small pieces of HTML.

export const $ = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=play-token]").content;

export class Refused extends Error {
  constructor(answer) {
    super(answer.error);
    this.answer = answer;
  }
}

// Resolves to what a door answers: an object, or bytes from the one that sends pixels.
export async function post(door, what = {}) {
  let response;
  try {
    response = await fetch(`/do/${door}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Play-Token": token },
      body: JSON.stringify(what),
    });
  } catch {
    throw new Error("make play is not running any more; start it and load this page anew.");
  }
  if (response.status === 403) throw new Error(await response.text());
  if (!response.ok) throw new Error(`make play could not answer (${response.status}); its terminal says why.`);
  if (!response.headers.get("Content-Type").includes("json")) return response.arrayBuffer();
  const answer = await response.json();
  if (answer.error) throw new Refused(answer);
  return answer;
}

// A fault that belongs to no control stands at the top, until the next thing goes well.
export function say(error) {
  $("fault").textContent = error ? error.message : "";
  $("fault").hidden = !error;
}

export async function doing(work) {
  try {
    const result = await work();
    say(null);
    return result;
  } catch (error) {
    say(error);
    return undefined;
  }
}

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Pixels of one image (C, H, W), grey or red, green and blue.
export function paint(canvas, pixels, [channels, height, width]) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const image = new ImageData(width, height);
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[channels === 3 ? c * size + i : i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export const unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

export function fill(select, values, chosen) {
  select.replaceChildren(...values.map(([value, text]) => new Option(text, value)));
  if (values.some(([value]) => value === chosen)) select.value = chosen;
}

export const percent = (share) =>
  share >= 0.9995 && share < 1 ? ">0.999" : share < 0.0005 && share > 0 ? "<0.001" : share.toFixed(3);

// What there is to choose from; it is asked for anew where runs or recipes may have come.
export const all = doing(() => post("start"));
export async function refresh() {
  Object.assign(await all, await post("start"));
  dispatchEvent(new Event("choices"));
}

// The view is part of the address, so that it is found again and the way back works.
const views = ["recipe", "hand", "loop"];
function show() {
  const offered = [...document.querySelectorAll("nav a")].map((link) => link.hash.slice(1));
  const wanted = location.hash.slice(1);
  const view = offered.includes(wanted) ? wanted : "recipe";
  for (const each of views) $(each).hidden = each !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  dispatchEvent(new CustomEvent("view", { detail: view }));
}
addEventListener("hashchange", () => {
  show();
  doing(refresh);
});
addEventListener("DOMContentLoaded", show);
