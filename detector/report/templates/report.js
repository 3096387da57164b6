"use strict";
(() => {
  const timeline = document.getElementById("timeline");
  const readout = document.getElementById("readout");
  if (!timeline || !readout) return;
  const marks = [...timeline.querySelectorAll(".mark")];
  const hint = readout.textContent;
  let current = marks.find((mark) => mark.tabIndex === 0);

  const show = (mark) => {
    readout.textContent = mark.getAttribute("aria-label");
    document.querySelectorAll(".chosen").forEach((figure) => figure.classList.remove("chosen"));
    const strip = mark.dataset.strip && document.getElementById(`strip-${mark.dataset.strip}`);
    if (strip) strip.classList.add("chosen");
  };
  const focus = (mark) => {
    if (current) current.setAttribute("tabindex", "-1");
    current = mark;
    mark.setAttribute("tabindex", "0");
    mark.focus();
  };
  const rowOf = (mark) => mark.ownerSVGElement;
  const rows = [...new Set(marks.map(rowOf))];
  const inRow = (row) => marks.filter((mark) => rowOf(mark) === row);
  const nearest = (row, x) =>
    inRow(row).reduce((best, mark) =>
      Math.abs(mark.dataset.x - x) < Math.abs(best.dataset.x - x) ? mark : best);

  const target = (mark, key) => {
    const row = inRow(rowOf(mark));
    const at = row.indexOf(mark);
    const up = rows.indexOf(rowOf(mark));
    if (key === "ArrowRight") return row[Math.min(at + 1, row.length - 1)];
    if (key === "ArrowLeft") return row[Math.max(at - 1, 0)];
    if (key === "Home") return row[0];
    if (key === "End") return row[row.length - 1];
    if (key === "ArrowDown" && up + 1 < rows.length) return nearest(rows[up + 1], mark.dataset.x);
    if (key === "ArrowUp" && up > 0) return nearest(rows[up - 1], mark.dataset.x);
    return null;
  };
  const open = (mark) => {
    const id = mark.dataset.finding ? `finding-${mark.dataset.finding}` : `strip-${mark.dataset.strip}`;
    const place = document.getElementById(id);
    if (place) place.scrollIntoView({ block: "center" });
  };
  marks.forEach((mark) => {
    mark.addEventListener("focus", () => show(mark));
    mark.addEventListener("mouseenter", () => show(mark));
    mark.addEventListener("mouseleave", () => {
      if (document.activeElement === current) show(current);
      else readout.textContent = hint;
    });
    mark.addEventListener("click", () => { focus(mark); open(mark); });
    mark.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        open(mark);
        return;
      }
      const next = target(mark, event.key);
      if (next) {
        event.preventDefault();
        focus(next);
      }
    });
  });
})();
