// Draws only the rows that can be seen, so that 10,000 stay as quick as ten.
// Names are texts of strangers: they only ever become text nodes.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const [ID, NAME, FOLDER, KIND, CODE, SCORE, THRESHOLD, SECONDS, , , BYTES, PICTURE, REVIEW, REPORT] = Array(14).keys();
  const rows = JSON.parse($("rows").textContent);
  const [[words]] = JSON.parse($("words").textContent);
  const beside = $("rows").dataset.beside;
  const view = $("view");
  const all = $("all");
  const EXTRA_ROWS = 8;
  const texts = rows.map((row) => `${row[FOLDER]}/${row[NAME]}`.toLowerCase());
  const places = new Map(rows.map((row, at) => [row[ID], at]));
  let shown = rows;
  let order = { key: "score", down: true };
  const drawn = new Map(); // file id -> element

  const say = (key, values = {}) =>
    words[key].replace(/\{([a-z]+)\}/g, (_, name) => String(values[name]));
  const number = (value, digits) => value.toFixed(digits).replace(".", words["decimal-mark"]);
  const verdict = (row) => row[KIND] === "waiting" ? words["kind-waiting"] :
    row[KIND] === "error" ? `${words["label-error"]}: ${row[CODE]}` : words[`label-${row[KIND]}`];
  const KEYS = {
    file: (row) => texts[places.get(row[ID])],
    verdict: (row) => row[KIND],
    score: (row) => row[SCORE],
    length: (row) => row[SECONDS],
    bytes: (row) => row[BYTES],
    review: (row) => row[REVIEW],
  };

  const part = (name, ...inside) => {
    const element = document.createElement("div");
    element.className = name;
    element.append(...inside);
    return element;
  };
  const cell = (name, ...inside) => {
    const element = part(name, ...inside);
    element.setAttribute("role", "cell");
    return element;
  };
  const named = (row) => {
    const name = document.createElement(row[REPORT] ? "a" : "span");
    name.className = "name";
    name.textContent = row[NAME];
    name.title = row[NAME];
    if (row[REPORT]) {
      name.href = `${beside}/clips/${row[ID]}.html`;
      name.setAttribute("aria-label", say("of-clip", { name: row[NAME] }));
    }
    const folder = document.createElement("span");
    folder.className = "folder note";
    folder.textContent = row[FOLDER];
    folder.title = row[FOLDER];
    return part("names", name, folder);
  };
  const make = (row) => {
    const thumb = part("thumb");
    if (row[PICTURE]) {
      const image = new Image();
      image.alt = "";
      image.src = `${beside}/thumbs/${row[PICTURE]}.jpg`;
      thumb.append(image);
    }
    const score = row[SCORE] === null ? "–" : row[THRESHOLD] === null ?
      say("score-of", { score: number(row[SCORE], 2) }) :
      say("score-of-threshold", { score: number(row[SCORE], 2), threshold: number(row[THRESHOLD], 2) });
    const element = part(`row ${row[KIND]}`,
      cell("file", thumb, named(row)),
      cell("verdict", verdict(row)),
      cell("score", score),
      cell("length", row[SECONDS] === null ? "–" : say("length", { seconds: number(row[SECONDS], 1) })),
      cell("bytes", row[BYTES] === null ? "–" : row[BYTES].toLocaleString(document.documentElement.lang)),
      cell("review", row[REVIEW] ? words[`review-${row[REVIEW]}`] : "–"));
    element.setAttribute("role", "row");
    return element;
  };

  const height = () => (matchMedia("(max-width: 760px)").matches ? 6 : 5) *
    parseFloat(getComputedStyle(document.documentElement).fontSize);

  const draw = () => {
    const each = height();
    all.style.height = `${each * shown.length}px`;
    const first = Math.max(0, Math.floor(view.scrollTop / each) - EXTRA_ROWS);
    const last = Math.min(shown.length, Math.ceil((view.scrollTop + view.clientHeight) / each) + EXTRA_ROWS);
    const wanted = new Set(shown.slice(first, last).map((row) => row[ID]));
    for (const [id, element] of drawn) {
      if (!wanted.has(id) && !element.contains(document.activeElement)) {
        element.remove();
        drawn.delete(id);
      }
    }
    for (let at = first; at < last; at += 1) {
      const row = shown[at];
      const element = drawn.get(row[ID]) || make(row);
      drawn.set(row[ID], element);
      element.style.top = `${each * at}px`;
      element.setAttribute("aria-rowindex", at + 2);
      // Reading order and the Tab key follow the document, not the places on the screen.
      if (all.children[at - first] !== element) all.insertBefore(element, all.children[at - first] || null);
    }
  };

  const compare = (a, b) => {
    const [x, y] = [KEYS[order.key](a), KEYS[order.key](b)];
    if (x === y) return a[ID] - b[ID];
    if (x === null) return 1; // what is not known stands last, either way
    if (y === null) return -1;
    const rises = typeof x === "string" ? x.localeCompare(y) : x - y;
    return order.down ? -rises : rises;
  };

  const choose = () => {
    const text = $("text").value.trim().toLowerCase();
    const kind = $("kind").value;
    const review = $("review").value;
    const least = parseFloat($("least").value);
    shown = rows.filter((row, at) =>
      (!text || texts[at].includes(text)) &&
      (!kind || row[KIND] === kind) &&
      (!review || (row[REVIEW] || "-") === review) &&
      (Number.isNaN(least) || (row[SCORE] !== null && row[SCORE] >= least)));
    shown.sort(compare);
    drawn.forEach((element) => element.remove());
    drawn.clear();
    view.scrollTop = 0;
    $("shown").textContent = say("shown", { shown: shown.length, total: rows.length });
    $("table").setAttribute("aria-rowcount", shown.length + 1);
    document.querySelectorAll(".head button").forEach((button) => {
      const on = button.dataset.key === order.key;
      const header = button.parentElement;
      if (on) header.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
      button.querySelector("span").textContent = on ? (order.down ? " ▼" : " ▲") : "";
    });
    draw();
  };

  let asked = false;
  view.addEventListener("scroll", () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  });
  addEventListener("resize", draw);
  for (const id of ["text", "kind", "review", "least"]) $(id).addEventListener("input", choose);
  document.querySelectorAll(".head button").forEach((button) => button.addEventListener("click", () => {
    const same = order.key === button.dataset.key;
    order = { key: button.dataset.key, down: same ? !order.down : ["score", "length", "bytes"].includes(button.dataset.key) };
    choose();
  }));
  choose();
  document.documentElement.dataset.ready = "yes";
})();
