// Controls of one recipe argument or transform argument, made from what the server says of it.

import { element } from "./common.js";

const number = (text) => (text.trim() === "" ? NaN : Number(text));
const tidy = (value) => Number(value.toPrecision(7));

// A slider and a box for the same number. Sliders without a bound nearby grow at their ends.
function dial(id, words, end, onMove, onFault) {
  const slider = element("input", { type: "range", id, "aria-label": words });
  const box = element("input", { type: "text", inputMode: "decimal", id: `${id}-box`, "aria-label": `${words}, as a number` });
  const grow = (value) => {
    if (value >= Number(slider.max)) slider.max = Math.min(end.most ?? Infinity, Math.max(value, end.high) + Math.max(0, value) * 2);
    if (value <= Number(slider.min)) slider.min = Math.max(end.least ?? -Infinity, Math.min(value, end.low) + Math.min(0, value) * 2);
  };
  // A value typed may be beyond what is accepted; the slider never is.
  const reach = (value) => {
    if (value < Number(slider.min)) slider.min = Math.max(end.least ?? -Infinity, value);
    if (value > Number(slider.max)) slider.max = Math.min(end.most ?? Infinity, value);
  };
  const made = {
    slider,
    box,
    end,
    value: end.value,
    set(value) {
      made.value = value;
      reach(value);
      if (document.activeElement !== slider) slider.value = value;
      if (document.activeElement !== box) box.value = String(tidy(value));
    },
  };
  slider.min = end.low;
  slider.max = end.high;
  slider.step = end.step;
  made.set(end.value);
  slider.addEventListener("input", () => {
    made.value = tidy(Number(slider.value));
    box.value = String(made.value);
    onMove(made);
  });
  slider.addEventListener("change", () => grow(Number(slider.value)));
  box.addEventListener("input", () => {
    const value = number(box.value);
    onFault(Number.isFinite(value) ? "" : `${words} must be a number; ${tidy(made.value)} still holds`);
    if (!Number.isFinite(value)) return;
    made.value = value;
    reach(value);
    slider.value = value;
    onMove(made);
  });
  box.addEventListener("blur", () => {
    if (!Number.isFinite(number(box.value))) onFault("");
    box.value = String(tidy(made.value));
  });
  return made;
}

const same = (a, b) => a.length === b.length && a.every((each, i) => each === b[i]);

// Whether a range is mirrored about 0, or its two directions alike: remembered as long as the page.
const linked = new Map();

// Returns what the page needs of a control: its element, how to update it, and how to place it.
export function makeControl(id, control, { onChange, onCurve, onShape }) {
  const { name, kind } = control;
  const title = name.replaceAll("_", " ");
  const root = element("div", { className: `control ${kind}` });
  const fault = element("p", { className: "bad", id: `${id}-fault`, role: "alert", hidden: true });
  const note = element("p", { className: "slow", id: `${id}-slow`, hidden: true });
  const inputs = [];
  let update = () => {};
  let told = "";
  const blame = (why) => {
    fault.textContent = why;
    fault.hidden = !why;
    root.classList.toggle("faulty", Boolean(why));
    for (const input of inputs) input.setAttribute("aria-invalid", String(Boolean(why)));
  };
  const onFault = (why) => blame(why || told);

  const curveOf = (words, low, high, value, place) => {
    const box = element("div", { className: "curve", hidden: true });
    const button = element("button", { type: "button", className: "plain curve-button", textContent: "curve", title: `The share of draws read right as ${words} grows`, "aria-label": `Curve of ${words}: the share of draws still read right`, "aria-expanded": "false" });
    button.addEventListener("click", () => onCurve({ id: `${id}-${words}`, words, button, box, low, high, value, place }));
    return [button, box];
  };

  if (kind === "number") {
    const [end] = control.ends;
    const one = dial(id, title, end, (each) => onChange(name, each.value), onFault);
    const [button, box] = curveOf(title, () => Number(one.slider.min), () => Number(one.slider.max), () => one.value, (value) => [name, value]);
    root.append(element("label", { htmlFor: id, textContent: title }), one.slider, one.box, button, box);
    inputs.push(one.slider, one.box);
    update = (now) => one.set(now.ends[0].value);
  } else if (kind === "range" || kind === "pairs") {
    const keys = control.keys ?? [""];
    const pairOf = (ends, k) => [ends[2 * k], ends[2 * k + 1]];
    const values = control.ends.map((end) => end.value);
    const alikeNow = keys.length > 1 && same(values.slice(0, 2), values.slice(2, 4));
    const mirrorNow = keys.every((_, k) => values[2 * k] === -values[2 * k + 1]);
    const alike = keys.length > 1 && (linked.get(`${id}-alike`) ?? alikeNow) && alikeNow;
    const mirrored = (linked.get(`${id}-mirror`) ?? mirrorNow) && mirrorNow;
    const shown = alike ? [""] : keys;
    const dials = [];
    const whole = (change) => {
      const pairs = shown.map((_, k) => dials[k].map((each) => each.value));
      if (change) change(pairs);
      const full = pairs.map((pair) => (mirrored ? [-Math.abs(pair[0]), Math.abs(pair[0])] : pair));
      if (kind === "range") return full[0];
      return Object.fromEntries(keys.map((key, k) => [key, full[alike ? 0 : k]]));
    };
    root.append(element("span", { className: "name", textContent: title }));
    const links = element("span", { className: "links" });
    const link = (which, now, words, explained) => {
      const box = element("input", { type: "checkbox", checked: now, id: `${id}-${which}` });
      box.addEventListener("change", () => {
        linked.set(`${id}-${which}`, box.checked);
        if (box.checked && which === "alike") onChange(name, Object.fromEntries(keys.map((key) => [key, values.slice(0, 2)])));
        if (box.checked && which === "mirror") {
          const full = keys.map((_, k) => [-Math.max(...pairOf(values, k).map(Math.abs)), Math.max(...pairOf(values, k).map(Math.abs))]);
          onChange(name, kind === "range" ? full[0] : Object.fromEntries(keys.map((key, k) => [key, full[k]])));
        }
        onShape();
      });
      links.append(element("label", { title: explained }, box, ` ${words}`));
    };
    if (keys.length > 1) link("alike", alike, "alike", `${keys.join(" and ")} are drawn from the same range`);
    const mayMirror = control.ends.every((end) => end.least === null || end.least < 0);
    if (mayMirror) link("mirror", mirrored, "±", "from minus to plus the same number");
    root.append(links);
    shown.forEach((key, k) => {
      const ends = pairOf(control.ends, alike ? 0 : k);
      const sides = mirrored ? ["±"] : ["from", "to"];
      dials.push(
        sides.map((side, s) => {
          const words = [title, key, side].filter(Boolean).join(" ");
          const end = mirrored ? { ...ends[1], least: 0, low: 0 } : ends[s];
          const own = `${id}-${key}${mirrored ? "m" : s}`;
          const each = dial(own, words, end, () => onChange(name, whole()), onFault);
          const [button, box] = curveOf(
            words,
            () => Number(each.slider.min),
            () => Number(each.slider.max),
            () => each.value,
            (value) => [name, whole((pairs) => (pairs[k][s] = value))],
          );
          root.append(element("label", { htmlFor: own, className: "side", textContent: [key, side].filter(Boolean).join(" ") }), each.slider, each.box, button, box);
          inputs.push(each.slider, each.box);
          return each;
        }),
      );
    });
    update = (now) => {
      shown.forEach((_, k) => {
        const pair = pairOf(now.ends, alike ? 0 : k).map((end) => end.value);
        if (mirrored) dials[k][0].set(Math.abs(pair[1]));
        else dials[k].forEach((each, s) => each.set(pair[s]));
      });
    };
  } else if (kind === "switch") {
    const box = element("input", { type: "checkbox", id, checked: control.value });
    box.addEventListener("change", () => onChange(name, box.checked));
    root.append(element("label", { htmlFor: id, textContent: title }), box);
    inputs.push(box);
    update = (now) => (box.checked = now.value);
  } else if (kind === "choice") {
    const select = element("select", { id });
    control.choices.forEach(([value, words], k) => select.add(new Option(words, k, false, value === control.value)));
    select.addEventListener("change", () => onChange(name, control.choices[Number(select.value)][0]));
    root.append(element("label", { htmlFor: id, textContent: title }), select);
    inputs.push(select);
    update = (now) => (select.value = control.choices.findIndex(([value]) => value === now.value));
  } else if (kind === "none") {
    const button = element("button", { type: "button", id, textContent: "set it", disabled: control.start === null });
    button.addEventListener("click", () => onChange(name, control.start));
    root.append(element("span", { className: "name", textContent: title }), element("span", { className: "small", textContent: "not given" }), button);
    inputs.push(button);
  } else {
    root.append(element("span", { className: "name", textContent: title }), element("code", { textContent: control.value }));
  }
  if (control.optional && kind !== "none") {
    const button = element("button", { type: "button", className: "plain", textContent: "leave out", "aria-label": `Leave ${title} out` });
    button.addEventListener("click", () => onChange(name, null));
    (root.querySelector(".links") ?? root).append(button);
  }
  root.append(fault, note);
  for (const input of inputs) input.setAttribute("aria-describedby", `${fault.id} ${note.id}`);
  return {
    root,
    update,
    tell(error, slow) {
      told = error ?? "";
      blame(told);
      note.textContent = slow ?? "";
      note.hidden = !slow;
    },
  };
}
