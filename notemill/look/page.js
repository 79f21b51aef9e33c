"use strict";
(() => {
  const form = document.querySelector("form");
  const entries = [...document.querySelectorAll("article")];
  const choices = new Map(entries.map((entry) => [entry, entry.dataset.choices.split(" ")]));
  let at = -1;
  let brought = null;

  function filter() {
    const wanted = [...form.querySelectorAll("select")].map((select) => select.value);
    let shown = 0;
    for (const entry of entries) {
      const fits = choices.get(entry).every((choice, i) => !wanted[i] || wanted[i] === choice);
      entry.hidden = !fits;
      shown += fits;
    }
    form.querySelector("output").value = `${shown} of ${entries.length} shown`;
    document.querySelector(".nothing").hidden = shown > 0;
  }

  function move(step) {
    let next = at + step;
    while (entries[next] && entries[next].hidden) next += step;
    if (!entries[next]) return;
    entries[next].focus({ preventScroll: true });
    brought = entries[next];
    bring();
  }

  // Again whenever the list changes its height: entries out of sight are not drawn, and get their
  // heights by and by. Until the reader scrolls, or goes elsewhere.
  function bring() {
    if (brought && brought === document.activeElement) brought.scrollIntoView({ block: "start" });
  }
  function leave() {
    brought = null;
  }

  function all() {
    form.reset();
    filter();
  }

  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("button").addEventListener("click", (event) => {
    event.preventDefault();
    all();
  });
  document.querySelector(".nothing button").addEventListener("click", all);
  document.addEventListener("focusin", (event) => {
    const entry = event.target.closest("article");
    if (entry) at = entries.indexOf(entry);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return leave();
    const step = { j: 1, k: -1 }[event.key];
    if (!step) return leave();
    event.preventDefault();
    move(step);
  });
  const bar = new ResizeObserver(() => {
    const sticks = getComputedStyle(form).position === "sticky";
    document.documentElement.style.setProperty("--bar", `${sticks ? form.offsetHeight : 0}px`);
  });
  bar.observe(form);
  new ResizeObserver(bring).observe(document.querySelector("main"));
  for (const gesture of ["wheel", "touchmove", "pointerdown"]) {
    document.addEventListener(gesture, leave, { passive: true });
  }
  filter();
})();
