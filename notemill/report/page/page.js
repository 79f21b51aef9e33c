"use strict";
(() => {
  const said = document.querySelector("output.said");

  // Tables: each heading sorts, a button copies.

  function parts(cell) {
    return cell.dataset.v === undefined ? null : cell.dataset.v.split("|");
  }

  function key(cell) {
    const own = parts(cell);
    const words = cell.dataset.by ?? (own ? own[0] : cell.textContent.trim());
    const number = words === "" ? NaN : Number(words);
    return { words, number, nothing: words === "" };
  }

  // What is not known stays below, whichever way is sorted.
  function order(a, b, up) {
    if (a.nothing || b.nothing) return a.nothing - b.nothing;
    const numbers = !Number.isNaN(a.number) && !Number.isNaN(b.number);
    const by = numbers ? a.number - b.number : a.words.localeCompare(b.words, "en", { numeric: true });
    return up ? by : -by;
  }

  function sort(table, heading, place) {
    const now = heading.getAttribute("aria-sort");
    const first = heading.classList.contains("n") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const way = now === first ? other : first;
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", way);
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: key(row.cells[place]) }));
    rows.sort((a, b) => order(a.key, b.key, way === "ascending"));
    body.append(...rows.map((each) => each.row));
    said.value = `sorted by ${heading.textContent}, ${way}`;
  }

  // A spreadsheet program takes a text that begins so for a formula.
  function plain(words) {
    const flat = words.trim().replace(/\s+/g, " ");
    return /^[=+@-]/.test(flat) && Number.isNaN(Number(flat)) ? `'${flat}` : flat;
  }

  function values(cell, width) {
    const own = parts(cell) ?? [plain(cell.textContent)];
    return Array.from({ length: Math.max(width, own.length) }, (_, i) => own[i] ?? "");
  }

  function separated(table) {
    const headings = [...table.tHead.rows[0].cells];
    const names = headings.map((each) =>
      each.dataset.c ? each.dataset.c.split("|") : [each.textContent.trim()],
    );
    const lines = [...table.tBodies[0].rows].map((row) =>
      [...row.cells].map((cell, i) => values(cell, names[i].length)),
    );
    return [names, ...lines]
      .map((line) => line.filter((_, i) => !headings[i].classList.contains("plot")))
      .map((line) => line.flat().join("\t"))
      .join("\n");
  }

  // A page from a file may be kept from the clipboard, but not from copying what is selected.
  async function copy(words) {
    try {
      await navigator.clipboard.writeText(words);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = words;
      area.className = "hidden";
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }

  function copier(name, what, words) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = name;
    button.setAttribute("aria-label", `${name} ${what}`);
    button.addEventListener("click", async () => {
      const done = await copy(words());
      button.focus();
      button.textContent = done ? "copied" : "not copied: select it";
      said.value = button.textContent;
      setTimeout(() => (button.textContent = name), 2000);
    });
    return button;
  }

  for (const table of document.querySelectorAll("main table")) {
    [...table.tHead.rows[0].cells].forEach((heading, place) => {
      if (heading.classList.contains("plot")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading, place));
      heading.append(button);
    });
    const caption = table.caption.textContent;
    table.caption.firstElementChild.append(" ", copier("copy", `table: ${caption}`, () => separated(table)));
  }
  for (const text of document.querySelectorAll("[data-copied]")) {
    text.before(copier("copy", text.dataset.copied, () => text.innerText));
  }

  // On paper nothing can be opened.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of closed) each.open = false;
  });
})();
