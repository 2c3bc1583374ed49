/* What a reader can move: sliders, galleries, sortable tables, windows for what is wider than its column. The figures are
   written by fusqa/figures/interactive.py with their first state in plain HTML and the rest as JSON; without this script
   that first state is what is seen. */

"use strict";

/** Make an element with attributes and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A labelled choice; `change` is called with the chosen text. */
function choice(label, options, change) {
  const select = make("select", {}, ...options.map((option) => make("option", { value: option }, option)));
  select.addEventListener("change", () => change(select.value));
  return { element: make("label", {}, `${label} `, select), select };
}

/** A labelled slider over whole numbers; what stands at a number is said by `text`. */
function slider(label, most, change, text) {
  const input = make("input", { type: "range", min: 0, max: most, step: 1, value: 0 });
  const output = make("output", { "aria-hidden": "true" }); // it is read with the slider, as its aria-valuetext
  const show = () => {
    const said = text(Number(input.value));
    output.textContent = said;
    input.setAttribute("aria-valuetext", said);
    change(Number(input.value));
  };
  input.addEventListener("input", show);
  return { element: make("span", { class: "slider" }, make("label", {}, `${label} `, input), " ", output), input, show };
}

/** The lines of a list of facts: what, and how much. */
const factLines = (facts) =>
  Object.entries(facts).map(([what, value]) => make("div", {}, make("dt", {}, what), make("dd", {}, value)));

const dataOf = (figure) => JSON.parse(figure.querySelector('script[type="application/json"]').textContent);

/* An alteration by its severity ------------------------------------------------------------------------------------ */

function sweep(figure) {
  const sweeps = dataOf(figure);
  const [mask, line, facts] = ["img.mask", "line", "dl.facts"].map((part) => figure.querySelector(part));
  let frames = Object.values(sweeps)[0];
  const draw = (number) => {
    const frame = frames[number];
    mask.src = frame.mask;
    line.style.display = frame.line ? "" : "none";
    if (frame.line) {
      const [[x1, y1], [x2, y2]] = frame.line;
      for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, value);
    }
    facts.replaceChildren(...factLines(frame.facts));
  };
  const severity = slider("How much", frames.length - 1, draw, (number) => frames[number].step);
  const which = choice("Alteration", Object.keys(sweeps), (name) => {
    frames = sweeps[name];
    severity.input.max = frames.length - 1;
    severity.show();
  });
  figure.prepend(make("div", { class: "controls" }, which.element, severity.element));
  severity.show();
}

/* Verdicts by threshold -------------------------------------------------------------------------------------------- */

const share = (part, whole) => (whole ? (part / whole).toFixed(3) : "–");
const mean = (values) => (values.length ? (values.reduce((a, b) => a + b) / values.length).toFixed(2) : "–");

/** Counts, figures of merit and mean errors in days of the verdicts at one threshold. */
function verdicts(good, days, probability, threshold) {
  const count = { tp: 0, fn: 0, fp: 0, tn: 0 };
  const errors = { good: [], poor: [] };
  probability.forEach((value, i) => {
    const called = value >= threshold;
    count[called ? (good[i] ? "tp" : "fp") : good[i] ? "fn" : "tn"] += 1;
    if (days[i] !== null) errors[called ? "good" : "poor"].push(days[i]);
  });
  const { tp, fn, fp, tn } = count;
  return {
    count,
    figures: {
      "called good": `${share(tp + fp, good.length)} of all`,
      precision: share(tp, tp + fp),
      recall: share(tp, tp + fn),
      accuracy: share(tp + tn, good.length),
      F1: share(2 * tp, 2 * tp + fp + fn),
      "mean |ΔGA|, called good": `${mean(errors.good)} days`,
      "mean |ΔGA|, called poor": `${mean(errors.poor)} days`,
    },
  };
}

/** Two histograms of the probabilities, good upwards and poor downwards, with the threshold between. */
function histogram(good, probability, bins) {
  const counts = { 1: new Array(bins).fill(0), 0: new Array(bins).fill(0) };
  probability.forEach((value, i) => (counts[good[i]][Math.min(bins - 1, Math.floor(value * bins))] += 1));
  const most = Math.max(...counts[1], ...counts[0], 1);
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const put = (tag, attributes) => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    svg.append(element);
    return element;
  };
  svg.setAttribute("viewBox", "0 0 1000 200");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Histogram of the probabilities: masks reviewed as good above the line, poor ones below");
  for (const [truth, name] of [[1, "good"], [0, "poor"]]) {
    counts[truth].forEach((number, bin) => {
      const height = (number / most) * 98;
      const place = { x: (bin * 1000) / bins + 1, width: 1000 / bins - 2, height, y: truth ? 100 - height : 100 };
      put("rect", { ...place, class: name });
    });
  }
  put("line", { x1: 0, x2: 1000, y1: 100, y2: 100, class: "axis" });
  svg.cursor = put("line", { y1: 0, y2: 200, class: "cursor" });
  return svg;
}

function threshold(figure) {
  const { good, days, models, bins } = dataOf(figure);
  const table = figure.querySelector("table.matrix");
  const cells = [...table.querySelectorAll("td")];
  const figures = make("dl", { class: "facts" });
  const plot = make("div", { class: "plot" });
  const marks = make("div", { class: "marks" });
  let name = Object.keys(models)[0];
  let svg;
  let exact; // a named threshold may lie between two steps: at its step, it counts as it is
  const draw = (step) => {
    const at = Math.round(exact * 100) === step ? exact : step / 100;
    const { count, figures: said } = verdicts(good, days, models[name].probability, at);
    ["tp", "fn", "fp", "tn"].forEach((key, i) => (cells[i].textContent = count[key]));
    table.caption.textContent = `${name}, threshold ${at.toFixed(2)}`;
    figures.replaceChildren(...factLines(said));
    svg.cursor.setAttribute("x1", at * 1000);
    svg.cursor.setAttribute("x2", at * 1000);
  };
  const where = slider("Threshold", 100, draw, (step) => (step / 100).toFixed(2));
  const go = (value) => {
    exact = value;
    where.input.value = Math.round(value * 100);
    where.show();
  };
  const choose = (model) => {
    name = model;
    const { probability, thresholds } = models[name];
    svg = histogram(good, probability, bins);
    plot.replaceChildren(svg);
    const buttons = Object.entries(thresholds).map(([origin, value]) => {
      const button = make("button", { type: "button" }, `${origin}: ${value.toFixed(2)}`);
      button.addEventListener("click", () => go(value));
      return button;
    });
    marks.replaceChildren("Go to the threshold of: ", ...buttons);
    go(Object.values(thresholds)[0]);
  };
  const which = choice("Model", Object.keys(models), choose);
  const key = make("p", { class: "key" }, "Probability of “good”, from 0 to 1: ");
  key.append(make("span", { class: "good" }, "reviewed as good, upwards"), "; ");
  key.append(make("span", { class: "poor" }, "reviewed as poor, downwards"), ".");
  figure.prepend(make("div", { class: "controls" }, which.element, where.element, marks), plot, key);
  table.after(figures);
  choose(name);
}

/* Predictions by score --------------------------------------------------------------------------------------------- */

function gallery(figure) {
  const { good, days, scores } = dataOf(figure);
  const list = figure.querySelector("ol");
  const items = [...list.children];
  const orders = {};
  for (const [model, values] of Object.entries(scores)) orders[`trust of ${model}`] = values.map((value) => -value);
  orders["error of the age"] = days.map((value) => (value === null ? Infinity : value));
  const wanted = { all: () => true, "reviewed as good": (i) => good[i], "reviewed as poor": (i) => !good[i] };
  const count = make("output", { "aria-live": "polite" });
  const draw = () => {
    const order = orders[by.select.value];
    const turn = ends.select.value === "most trusted, smallest error" ? 1 : -1;
    const shown = items.map((_, i) => i).filter(wanted[which.select.value]);
    shown.sort((a, b) => (order[a] === order[b] ? a - b : turn * (order[a] < order[b] ? -1 : 1)));
    const model = by.select.value.replace("trust of ", "");
    for (const i of shown) {
      const said = days[i] === null ? "not measurable" : `${days[i].toFixed(1)} days`;
      const trust = scores[model] ? `p = ${scores[model][i].toFixed(2)}, ` : "";
      items[i].querySelector("span").textContent = `${trust}${good[i] ? "good" : "poor"}, ${said}`;
    }
    list.replaceChildren(...shown.map((i) => items[i]));
    count.textContent = `${shown.length} of ${items.length}`;
  };
  const by = choice("Sorted by", Object.keys(orders), draw);
  const ends = choice("First", ["most trusted, smallest error", "least trusted, largest error"], draw);
  const which = choice("Show", Object.keys(wanted), draw);
  figure.prepend(make("div", { class: "controls" }, by.element, ends.element, which.element, count));
  draw();
}

/* Cells of words --------------------------------------------------------------------------------------------------- */

const [HEADING, LINE, PARAGRAPH] = [16, 22, 120]; // with more letters, a heading is long, a cell words, or a paragraph

/** Mark the cells of words in a table, with the letters of their longest line: fusqa.css lets them wrap, and makes them
    wide enough for a few words a line. A date or a path is one word; what heads a row is words in any case. */
function markWords(table) {
  for (const cell of table.querySelectorAll("th, td")) {
    const [heading, first] = [cell.tagName === "TH", cell.cellIndex === 0];
    const parts = [...cell.childNodes];
    for (const part of heading ? parts : []) {
      if (part.nodeType === Node.TEXT_NODE) part.data = part.data.replace(/\|(?=\S+\|)/g, "|\u2060"); // |ΔGA| stays whole
    }
    const letters = Math.max(0, ...parts.map((part) => part.textContent.trim().length));
    if (!/\s/.test(cell.textContent.trim())) {
      if (first && letters <= HEADING) cell.classList.add("whole");
    } else if (letters > (heading ? HEADING : first ? 0 : LINE)) {
      cell.classList.add(letters > PARAGRAPH ? "longer" : "long");
      cell.style.setProperty("--letters", letters);
    }
  }
}

/* Tables that can be sorted ---------------------------------------------------------------------------------------- */

const LONG = 6; // rows from which sorting is worth a click

const NUMBER = /^[<≤>≥~±]?\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w.\-:\/])/;

/** What a cell is sorted by: the number that it begins with, else its text. A date is text, and so is a file's name. */
function sortKey(cell) {
  const text = cell.innerText.trim().replaceAll("−", "-");
  const number = parseFloat(NUMBER.exec(text)?.[1].replaceAll(",", ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

function sortable(table) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < LONG || table.querySelector("[rowspan], tbody [colspan]")) return;
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = make("button", { type: "button", class: "sort", title: "Sort by this column" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
      const known = rows.filter(([key]) => key !== "–" && key !== "");
      const numbers = known.every(([key]) => typeof key === "number");
      known.sort(([a], [b]) => (up ? 1 : -1) * (numbers ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })));
      const missing = rows.filter(([key]) => key === "–" || key === ""); // last, whichever way
      body.append(...[...known, ...missing].map(([, row]) => row));
    });
  });
}

/* Quizzes ---------------------------------------------------------------------------------------------------------- */

/** What is said of the chosen answer is shown without this script; here a screen reader gets to hear it. */
function quiz(question) {
  const said = question.querySelector(".said");
  question.addEventListener("change", (event) => {
    said.textContent = event.target.closest(".answer").querySelector(".why").textContent;
  });
}

/* Figures and tables at their own size ----------------------------------------------------------------------------- */

const MORE = 1.15; // how much larger a thing has to become for a button to be worth its line

/** Show an element in a window of its own, over the page; `after` is called when the window is closed. */
function inWindow(place, label, element, after = () => {}) {
  const close = make("button", { type: "button", class: "close" }, "Close");
  const view = make("dialog", { class: "fusqa-whole", "aria-label": label }, close, element);
  close.addEventListener("click", () => view.close());
  view.addEventListener("close", () => {
    after();
    view.remove();
  });
  place.append(view);
  view.showModal();
}

/** Below an image or a box, a button that opens it, there while `smaller` says that the page shows less than it could. */
function enlargeButton(element, label, open, smaller) {
  if (!window.ResizeObserver || !window.HTMLDialogElement) return { hidden: true };
  const button = make("button", { type: "button", class: "enlarge" }, label);
  button.addEventListener("click", open);
  element.after(button);
  const check = () => (button.hidden = !smaller());
  new ResizeObserver(check).observe(element);
  element.addEventListener("load", check); // an image has no size of its own before
  return button;
}

/** For a figure that the page shows smaller than it is. */
function enlargeImage(image) {
  const open = () =>
    inWindow(document.body, "The figure at its own size", make("img", { src: image.src, alt: image.alt }));
  const smaller = () => image.clientWidth > 0 && image.naturalWidth > image.clientWidth * MORE;
  const button = enlargeButton(image, "Enlarge", open, smaller);
  image.addEventListener("click", () => button.hidden || open());
}

/** For a table that is wider than its column, where the window has room for more of it. The table itself goes into the
    window, and back, so that it stays sorted as it is. */
function enlargeTable(box) {
  const open = () => {
    const table = box.firstElementChild;
    inWindow(box.parentElement, "The whole table", table, () => box.append(table));
  };
  const away = () => !box.firstElementChild; // the button stays then, since it gets the focus back
  const wider = () => box.scrollWidth > box.clientWidth + 1 && document.body.clientWidth > box.clientWidth * MORE;
  const smaller = () => away() || wider();
  enlargeButton(box, "Show the whole table", open, smaller);
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("figure.fusqa-figure > img").forEach(enlargeImage);
  document.querySelectorAll("fieldset.fusqa-quiz").forEach(quiz);
  document.querySelectorAll("summary").forEach((summary) => {
    if (!summary.textContent.trim()) summary.setAttribute("aria-label", "Pages below"); // the theme's arrow has no name
  });
  const widgets = { sweep, threshold, gallery };
  for (const [kind, enhance] of Object.entries(widgets)) {
    document.querySelectorAll(`figure.fusqa-${kind}`).forEach((figure) => enhance(figure));
  }
  document.querySelectorAll("table.dataframe").forEach(markWords);
  document.querySelectorAll("table.dataframe").forEach(sortable);
  document.querySelectorAll(".fusqa-scroll").forEach(enlargeTable);
});
