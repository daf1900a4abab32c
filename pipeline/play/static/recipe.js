// The recipe live: its controls, its draws, what a network makes of them, and keeping it.

import { $, all, doing, element, fill, paint, percent, post, refresh, say } from "./common.js";
import { makeControl } from "./controls.js";
import { drawCurve } from "./curve.js";

let choices = null; // what there is to choose from
let draft = { recipe: "", arguments: {}, parts: null };
let described = null; // the last answer's controls and parts
let shownControls = new Map(); // id → control on the page
let signature = "";
let curve = null; // the one that is open
let digits = 0;

const seed = () => Math.min(2147483647, Math.max(0, Math.floor(Number($("seed").value) || 0)));
const shown = () => ({ draft, seed: seed(), digits, run: $("reader").value });

// ---- The draft

// Parts are the function's own until one is touched; then they are listed, with what was changed.
function parts() {
  const own = (each) => ({ ...each.part, parts: each.parts && each.parts.map(own) });
  draft.parts ??= described.parts.map(own);
  return draft.parts;
}

function listAt(path) {
  let list = parts();
  for (const place of path.slice(0, -1)) list = list[place].parts;
  return list;
}

const partAt = (path) => listAt(path)[path.at(-1)];
const isChanged = () => draft.parts !== null || Object.keys(draft.arguments).length > 0;

function choose(name) {
  draft = { recipe: name, arguments: {}, parts: null };
  $("recipe-name").value = name;
  $("recipe-doc").textContent = choices.recipes[name];
  $("saved").textContent = "";
  $("ask").hidden = true;
  redraw();
}

// ---- Redrawing: one request at a time, and then at once the newest state

let busy = false;
let again = false;
let movedAt = 0;

function redraw() {
  movedAt ||= performance.now();
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  document.body.dataset.busy = "";
  const since = movedAt;
  movedAt = 0;
  doing(async () => {
    const buffer = await post("recipe", shown());
    const length = new DataView(buffer).getUint32(0, true);
    const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    described = told;
    drawControls(told);
    drawSheet(told, new Uint8Array(buffer, 4 + length), since);
  }).finally(() => {
    busy = false;
    if (again) {
      again = false;
      redraw();
    } else {
      delete document.body.dataset.busy;
      settle();
    }
  });
}

// What takes longer waits until nothing moves.
let settling = 0;
let pythonWanted = false;
function settle() {
  clearTimeout(settling);
  settling = setTimeout(async () => {
    if (busy || !described?.labels) return;
    if ($("reader").value) await doing(read);
    if (busy) return;
    if (curve) await doing(recurve);
    if ($("python-details").open) await doing(asPython);
  }, 120);
}

// ---- The sheet

const cells = [];

function drawSheet(told, pixels, since) {
  const sheet = $("sheet");
  const broken = !told.labels;
  sheet.classList.toggle("stale", broken);
  if (broken) {
    const general = told.errors[""];
    $("engine").textContent = general ? `This cannot be drawn: ${general}` : "Not drawn: mend what is marked red.";
    $("engine").className = "small bad";
    return;
  }
  const count = told.labels.length;
  if (cells.length !== count) buildSheet(count);
  const [channels, height, width] = choices.shape;
  const size = channels * height * width;
  let place = 0;
  const next = () => pixels.subarray(place, (place += size));
  const named = told.labels.map((label) => choices.classes[label]);
  for (let row = 0; row < count; row++) {
    paint(cells[row][0].canvas, next(), choices.shape);
    name(cells[row][0].canvas, `a ${named[row]} as it is`);
    cells[row][0].text.textContent = named[row];
  }
  for (let row = 0; row < count; row++) {
    for (let k = 1; k <= choices.numDraws; k++) {
      paint(cells[row][k].canvas, next(), choices.shape);
      name(cells[row][k].canvas, `a ${named[row]}, draw ${k}`);
    }
  }
  if (!$("reader").value) clearReading();
  sheet.classList.toggle("unread", true);
  const took = Math.round(performance.now() - since);
  $("engine").textContent = told.slow.length
    ? `Slow: this recipe runs through albumentations, image by image. ${told.slow.join("; ")}.`
    : `Drawn by the batched engine, as a training would, in ${took} ms.`;
  if (told.remarks.length) $("engine").textContent += ` Note: ${told.remarks.join("; ")}.`;
  $("engine").className = told.slow.length ? "small slow" : "small";
  document.body.dataset.redraws = Number(document.body.dataset.redraws ?? 0) + 1;
  document.body.dataset.took = took;
}

// What has its name already costs nothing: the images are drawn anew with each move.
function name(canvas, words) {
  if (canvas.ariaLabel !== words) canvas.ariaLabel = words;
}

function buildSheet(count) {
  cells.length = 0;
  const rows = [];
  for (let row = 0; row < count; row++) {
    const line = [];
    const made = element("tr");
    for (let k = 0; k <= choices.numDraws; k++) {
      const canvas = element("canvas", { className: "digit", role: "img" });
      const text = element("span", { className: "read" });
      made.append(element(k ? "td" : "th", k ? {} : { scope: "row" }, canvas, text));
      line.push({ canvas, text });
    }
    cells.push(line);
    rows.push(made);
  }
  $("sheet").tBodies[0].replaceChildren(...rows);
  $("sheet").classList.toggle("named", choices.classes.some((name) => name.length > 2));
}

// ---- What a network makes of it

function clearReading() {
  for (const line of cells) {
    for (const { text, canvas } of line.slice(1)) {
      text.textContent = "";
      canvas.parentElement.className = "";
    }
  }
  $("share").textContent = "";
}

async function read() {
  const asked = shown();
  const { labels, unseen } = described;
  const answer = await post("read", asked);
  let right = 0;
  labels.forEach((label, row) => {
    for (let k = 1; k <= choices.numDraws; k++) {
      const place = row * choices.numDraws + k - 1;
      const { canvas, text } = cells[row][k];
      const is = answer.classes[place];
      const named = choices.classes[is];
      right += is === label;
      canvas.parentElement.className = is === label ? "right" : "wrong";
      text.replaceChildren(element("b", { textContent: named }), element("span", { textContent: ` ${Math.floor(100 * answer.probs[place])}%` }));
      canvas.setAttribute("aria-label", `a ${choices.classes[label]}, draw ${k}: read as ${named}, probability ${percent(answer.probs[place])}`);
    }
  });
  $("sheet").classList.remove("unread");
  const total = labels.length * choices.numDraws;
  const origin = unseen ? "Each is read by networks that were not trained on its image." : "Its networks were trained on these images, so they know them too well.";
  $("share").textContent = `${asked.run} reads ${right} of ${total} draws right (${percent(right / total)}). ${origin}`;
}

async function recurve() {
  const open = curve;
  if (!$("reader").value) {
    open.box.replaceChildren(element("p", { className: "small", textContent: "Choose above which run shall read the images." }));
    return;
  }
  const [low, high] = [open.low(), open.high()];
  const whole = open.whole;
  let places = Array.from({ length: 9 }, (_, i) => low + ((high - low) * i) / 8);
  if (whole) places = [...new Set(places.map(Math.round))];
  if (places.length < 2) return;
  const drafts = places.map((place) => {
    const copy = structuredClone(draft);
    const before = draft;
    draft = copy;
    open.put(Number(place.toPrecision(6)));
    draft = before;
    return copy;
  });
  const answer = await post("curve", { ...shown(), drafts });
  if (curve !== open) return;
  drawCurve(open.box, { ...answer, words: open.words, places, classes: choices.classes, value: open.value() });
}

function openCurve(asked, put, whole) {
  const closing = curve?.id === asked.id;
  if (curve) {
    curve.box.hidden = true;
    curve.button.setAttribute("aria-expanded", "false");
  }
  curve = closing ? null : { ...asked, put, whole };
  if (!curve) return;
  curve.box.hidden = false;
  curve.button.setAttribute("aria-expanded", "true");
  curve.box.replaceChildren(element("p", { className: "small", textContent: "Reading …" }));
  doing(recurve);
}

// ---- The controls

// What they look like apart from their values: if that is the same, values are all that changes.
const shapeOf = (controls) => controls.map(({ name, kind, optional }) => [name, kind, optional]);
function shapeOfPart(each) {
  return [each.name, each.part.off, each.part.of, shapeOf(each.controls), each.parts && each.parts.map(shapeOfPart)];
}

function drawControls(told) {
  const now = JSON.stringify([draft.recipe, shapeOf(told.controls), told.parts.map(shapeOfPart)]);
  if (now !== signature) {
    signature = now;
    buildControls(told);
  }
  const tell = (prefix, controls, errors, slow) => {
    for (const control of controls) {
      const made = shownControls.get(`${prefix}-${control.name}`);
      made.update(control);
      made.tell(errors[control.name], slow.find((why) => why.includes(`(${control.name}=`)));
    }
    const rest = Object.entries(errors).filter(([name]) => !controls.some((each) => each.name === name));
    const own = slow.filter((why) => !controls.some((each) => why.includes(`(${each.name}=`)));
    const place = $(`${prefix}-whole`);
    place.textContent = [...rest.map(([, why]) => why), ...own].join("; ");
    place.className = rest.length ? "bad" : "slow";
    place.hidden = !place.textContent;
  };
  tell("argument", told.controls, told.errors, []);
  const walk = (list, path) =>
    list.forEach((each, place) => {
      const own = [...path, place];
      tell(`part-${own.join("-")}`, each.controls, each.errors, each.slow);
      if (each.parts) walk(each.parts, own);
    });
  walk(told.parts, []);
}

function buildControls(told) {
  const focused = document.activeElement?.id;
  shownControls = new Map();
  curve = null;
  const put = (prefix, controls, apply) =>
    controls.map((control) => {
      const id = `${prefix}-${control.name}`;
      const whole = control.ends?.every((end) => end.whole);
      const made = makeControl(id, control, {
        onChange: (name, value) => {
          apply(name, value);
          redraw();
        },
        onCurve: (asked) => openCurve(asked, (value) => apply(...asked.place(value)), whole),
        onShape: () => {
          signature = "";
          redraw();
        },
      });
      shownControls.set(id, made);
      return made.root;
    });

  const own = put("argument", told.controls, (name, value) => (draft.arguments[name] = value));
  $("arguments").querySelector(".controls").replaceChildren(...own, element("p", { id: "argument-whole", role: "alert", hidden: true }));
  $("arguments").hidden = !told.controls.length;

  const build = (each, path, count) => {
    const prefix = `part-${path.join("-")}`;
    const apply = (name, value) => (partAt(path).change[name] = value);
    const act = (words, label, action, disabled = false) => {
      const button = element("button", { type: "button", className: "plain", textContent: words, title: label, "aria-label": `${label}: ${each.name}`, id: `${prefix}-${label.replaceAll(" ", "-")}`, disabled });
      button.addEventListener("click", () => {
        action();
        redraw();
      });
      return button;
    };
    const swap = (by) => () => {
      const list = listAt(path);
      const place = path.at(-1);
      [list[place], list[place + by]] = [list[place + by], list[place]];
    };
    const on = element("input", { type: "checkbox", checked: !each.part.off, id: `${prefix}-on` });
    on.addEventListener("change", () => {
      partAt(path).off = !on.checked;
      redraw();
    });
    const legend = element(
      "legend",
      {},
      element("label", {}, on, element("b", { textContent: ` ${each.name} ` })),
      act("↑", "Move up", swap(-1), path.at(-1) === 0),
      act("↓", "Move down", swap(1), path.at(-1) === count - 1),
      each.part.of ? null : act("✕", "Remove", () => listAt(path).splice(path.at(-1), 1)),
    );
    const first = each.controls.filter((control) => !isMore(control));
    const more = each.controls.filter(isMore);
    const box = element("fieldset", { className: each.part.off ? "part off" : "part" }, legend, element("p", { id: `${prefix}-whole`, role: "alert", hidden: true }), element("div", { className: "controls" }, ...put(prefix, first, apply)));
    if (more.length) box.append(element("details", {}, element("summary", { textContent: `${more.length} more` }), element("div", { className: "controls" }, ...put(prefix, more, apply))));
    if (each.parts) box.append(element("div", { className: "inner" }, ...each.parts.map((child, k) => build(child, [...path, k], each.parts.length))));
    return box;
  };
  $("parts").replaceChildren(...told.parts.map((each, k) => build(each, [k], told.parts.length)));
  if (focused) $(focused)?.focus();
}

// Numbers first; what is rarely turned, and left as albumentations has it, folds away.
const isMore = ({ kind, name, plain }) => kind === "none" || (plain && (name === "fill" || !["number", "range", "pairs"].includes(kind)));

// ---- Keeping it

async function asPython() {
  const { text } = await post("python", { draft, name: $("save-name").value });
  $("python").textContent = text;
}

async function save(replace) {
  const name = $("save-name").value.trim();
  $("ask").hidden = true;
  try {
    await post("save", { draft, name, replace });
  } catch (error) {
    if (!error.answer?.taken) throw error;
    $("ask-text").textContent = `${error.message} Replace it?`;
    $("ask").hidden = false;
    $("ask-yes").focus();
    return;
  }
  await refresh();
  choose(name);
  $("saved").textContent = `Saved as ${name} in pipeline/augment/recipes.py; to train it: make train AUGMENT=${name}`;
}

function fillChoices(chosen) {
  fill($("recipe-name"), Object.keys(choices.recipes).map((name) => [name, name]), chosen);
  fill($("reader"), [["", "no network"], ...choices.runs.map((run) => [run, run])], $("reader").value);
}

// ---- Everything is in its place: begin

choices = await all;
if (choices) {
  const names = Object.keys(choices.recipes);
  fillChoices(names.includes("strong") ? "strong" : names[0]);
  fill($("add"), choices.transforms.map((name) => [name, name]), "Affine");
  addEventListener("choices", () => fillChoices(draft.recipe));
  $("recipe-name").addEventListener("change", () => choose($("recipe-name").value));
  $("seed").addEventListener("input", redraw);
  $("fresh").addEventListener("click", () => {
    $("seed").value = (seed() + 1) % 2147483647;
    redraw();
  });
  $("others").addEventListener("click", () => {
    digits = (digits + 1) % 10000;
    redraw();
  });
  $("reader").addEventListener("change", redraw);
  $("add-button").addEventListener("click", () => {
    parts().push({ of: "", name: $("add").value, off: false, change: {}, parts: null });
    redraw();
  });
  $("undo-all").addEventListener("click", () => choose(draft.recipe));
  $("save").addEventListener("click", () => doing(() => save(false)));
  $("ask-yes").addEventListener("click", () => doing(() => save(true)));
  $("ask-no").addEventListener("click", () => {
    $("ask").hidden = true;
    $("save").focus();
  });
  $("python-details").addEventListener("toggle", () => $("python-details").open && doing(asPython));
  $("save-name").addEventListener("input", settle);
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("python").textContent).then(
      () => ($("copy").textContent = "Copied"),
      () => getSelection().selectAllChildren($("python")),
    );
    setTimeout(() => ($("copy").textContent = "Copy"), 1500);
  });
  $("try-it").addEventListener("click", () => {
    if (isChanged()) {
      say(new Error("A try trains what stands in recipes.py: save the recipe first, then ask again."));
      $("save-name").focus();
      return;
    }
    say(null);
    $("try-recipe").value = draft.recipe;
    location.hash = "#loop";
  });
  choose($("recipe-name").value);
}
