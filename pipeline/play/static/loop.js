// The loop: a try is started, watched, stopped and found again; runs and submissions as tables.

import { $, all, doing, element, fill, post } from "./common.js";

let view = "";
let timer = 0;

// ---- Tries

const SVG = "http://www.w3.org/2000/svg";
function sparkline(values, epochs) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 160 40");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", values.length ? `Validation accuracy from ${values[0].toFixed(4)} to ${values.at(-1).toFixed(4)}` : "No epoch yet");
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const places = values.map((value, i) => [4 + (152 * i) / Math.max(1, epochs - 1), 36 - (32 * (value - low)) / span]);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", places.map((place) => place.map((each) => each.toFixed(1)).join(",")).join(" "));
  svg.append(line);
  if (places.length) {
    const dot = document.createElementNS(SVG, "circle");
    [["cx", places.at(-1)[0]], ["cy", places.at(-1)[1]], ["r", 3]].forEach(([name, value]) => dot.setAttribute(name, value));
    svg.append(dot);
  }
  return svg;
}

function card(each) {
  const state = each.running ? (each.stopping ? "is being stopped" : "is running") : "has ended";
  const started = new Date(1000 * each.startedAt).toLocaleString();
  const box = element("article", { className: `try ${each.running ? "running" : ""}`, id: `try-${each.number}` });
  const stop = element("button", { type: "button", textContent: each.stopping ? "Stop at once" : "Stop it" });
  stop.addEventListener("click", () => doing(async () => { await post("stop", { number: each.number }); await look(); }));
  box.append(
    element("h3", {}, element("code", { textContent: each.typed })),
    element("p", { className: "small", role: "status", textContent: `Started ${started}; ${state}.` + (each.evidence ? ` Evidence so far: ${each.evidence} to 1; from 20 on it decides.` : "") }),
    each.running ? stop : "",
  );
  if (each.trainings.length) {
    box.append(
      element("ul", { className: "trainings" }, ...each.trainings.map(({ run, training, epochs, accuracies }) =>
        element("li", {}, sparkline(accuracies, epochs), element("span", { textContent: `${run}, ${training}: epoch ${accuracies.length} of ${epochs}` + (accuracies.length ? `, validation accuracy ${accuracies.at(-1).toFixed(4)}` : "") })),
      )),
    );
  }
  const log = element("pre", { tabIndex: 0, "aria-label": "What it said", textContent: each.lines.join("\n") });
  box.append(log);
  return box;
}

let before = "";
async function look() {
  clearTimeout(timer);
  const { tries } = await post("tries");
  const now = JSON.stringify(tries);
  if (now !== before) {
    const [newest, ...older] = tries;
    const earlier = element("details", {}, element("summary", { textContent: `${older.length} earlier` }), ...older.map(card));
    $("tries").replaceChildren(...(newest ? [card(newest)] : []), ...(older.length ? [earlier] : []));
    if (before && !tries[0]?.running && JSON.parse(before)[0]?.running) doing(showRuns);
    before = now;
  }
  $("start").disabled = Boolean(tries[0]?.running);
  if (view === "loop") timer = setTimeout(() => doing(look), tries[0]?.running ? 1000 : 5000);
}

// ---- Tables

// `columns` are heading → how a row's value is told: what is shown, and what it is ordered by.
function table(place, columns, rows) {
  const body = element("tbody");
  const order = { column: "", up: true };
  const write = () => body.replaceChildren(...rows.map((row) => element("tr", {}, ...Object.entries(columns).map(([name, [show]], k) => {
    const shown = show(row) ?? "";
    return element(k ? "td" : "th", k ? {} : { scope: "row" }, shown);
  }))));
  const heads = Object.entries(columns).map(([name, [, value]]) => {
    const button = element("button", { type: "button", className: "plain", textContent: name });
    const head = element("th", { scope: "col" }, value ? button : name);
    button.addEventListener("click", () => {
      order.up = order.column === name ? !order.up : typeof (rows.map(value).find((each) => each !== null && each !== undefined)) === "string";
      order.column = name;
      const known = (row) => value(row) !== null && value(row) !== undefined && value(row) !== "";
      rows.sort((a, b) => {
        if (!known(a) || !known(b)) return known(b) - known(a);
        const [x, y] = [value(a), value(b)];
        return (x < y ? -1 : x > y ? 1 : 0) * (order.up ? 1 : -1);
      });
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order.up ? "ascending" : "descending");
      write();
    });
    return head;
  });
  write();
  place.replaceChildren(element("thead", {}, element("tr", {}, ...heads)), body);
}

const accuracy = (value, interval) => (value === null || value === undefined ? null : element("span", { textContent: value.toFixed(4), title: interval ? `95 %: ${interval[0].toFixed(4)}-${interval[1].toFixed(4)}` : "" }));
const time = (seconds) => (seconds ? `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, "0")} s` : "");

function reportOf(row) {
  if (row.report) return element("a", { href: `/reports/${row.name}`, target: "_blank", rel: "noopener", textContent: "report" });
  if (!row.accuracy && !row.folds_done) return "";
  const button = element("button", { type: "button", textContent: "make report", "aria-label": `Make the report of ${row.name}` });
  button.addEventListener("click", () => {
    button.disabled = true;
    button.textContent = "being made …";
    doing(() => post("report", { run: row.name })).then((made) => {
      if (made) {
        row.report = true;
        const link = reportOf(row);
        button.replaceWith(link);
        link.focus();
      } else {
        button.disabled = false;
        button.textContent = "make report";
      }
    });
  });
  return button;
}

async function showRuns() {
  const { runs } = await post("runs");
  if (!runs.length) {
    $("runs").replaceChildren(element("caption", { className: "small", textContent: "There are no runs yet." }));
    return;
  }
  table($("runs"), {
    run: [(row) => element("span", { title: row.fault, className: row.fault ? "bad" : "", textContent: row.name + (row.fault ? " (damaged)" : "") }), (row) => row.name],
    report: [reportOf, null],
    accuracy: [(row) => accuracy(row.accuracy, row.interval), (row) => row.accuracy],
    images: [(row) => row.total?.toLocaleString("en"), (row) => row.total],
    score: [(row) => row.score?.toFixed(5), (row) => row.score],
    recipe: [(row) => row.augment, (row) => row.augment],
    network: [(row) => row.model, (row) => row.model],
    preset: [(row) => row.preset, (row) => row.preset],
    seeds: [(row) => row.seeds.join(", "), (row) => row.seeds[0]],
    folds: [(row) => (row.num_folds ? `${row.folds_done}/${row.num_folds}` : ""), (row) => row.folds_done],
    time: [(row) => time(row.elapsed_s), (row) => row.elapsed_s],
    changed: [(row) => new Date(1000 * row.changed_at).toLocaleString(), (row) => row.changed_at],
  }, runs);
}

async function showLeaderboard() {
  $("leaderboard-said").textContent = "Asking …";
  const answer = await post("leaderboard").catch((error) => {
    $("leaderboard-said").textContent = "";
    throw error;
  });
  $("leaderboard-said").textContent = [answer.entries.length ? answer.summary : "There are no submissions yet.", ...answer.notes].join(" ");
  if (!answer.entries.length) return;
  table($("leaderboard"), {
    submitted: [(row) => row.submitted.slice(0, 16).replace("T", " "), (row) => row.submitted],
    run: [(row) => row.run || row.message, (row) => row.run],
    "out of fold": [(row) => accuracy(row.valid), (row) => row.valid],
    "expected 95 %": [(row) => (row.low === null ? null : `${row.low.toFixed(4)}-${row.high.toFixed(4)}`), (row) => row.low],
    score: [(row) => row.score?.toFixed(5) ?? row.status, (row) => row.score],
    verdict: [(row) => row.verdict, (row) => row.verdict],
  }, answer.entries);
}

const choices = await all;
if (choices) {
  const recipes = () => fill($("try-recipe"), Object.keys(choices.recipes).map((name) => [name, name]), $("recipe-name").value);
  recipes();
  fill($("try-preset"), choices.presets.map((name) => [name, name]), choices.preset === "standard" ? "quick" : choices.preset);
  addEventListener("choices", recipes);
  $("start").addEventListener("click", () => doing(async () => {
    await post("try", { recipe: $("try-recipe").value, preset: $("try-preset").value });
    await look();
  }));
  $("ask-leaderboard").addEventListener("click", () => doing(showLeaderboard));
  const arrive = (now) => {
    view = now;
    clearTimeout(timer);
    if (view !== "loop") return;
    doing(look);
    doing(showRuns);
  };
  addEventListener("view", (event) => arrive(event.detail));
  if (!$("loop").hidden) arrive("loop");
}
