// A table of links is one stop for the tab key; arrow keys walk from cell to cell, Home and End along a row.
(() => {
  function links(row) { return [...row.cells].map((cell) => cell.querySelector("a")); }

  function nearest(cells, at, step) {
    for (let k = at; k >= 0 && k < cells.length; k += step) if (cells[k]) return cells[k];
    return null;
  }

  function next(link, key) {
    const cell = link.closest("td");
    const row = cell.parentElement;
    const rows = [...row.parentElement.rows];
    const column = cell.cellIndex;
    if (key === "ArrowRight") return nearest(links(row), column + 1, 1);
    if (key === "ArrowLeft") return nearest(links(row), column - 1, -1);
    if (key === "Home") return nearest(links(row), 0, 1);
    if (key === "End") return nearest(links(row), row.cells.length - 1, -1);
    const along = rows.map((one) => one.cells[column]?.querySelector("a") || null);
    if (key === "ArrowDown") return nearest(along, rows.indexOf(row) + 1, 1);
    if (key === "ArrowUp") return nearest(along, rows.indexOf(row) - 1, -1);
    return null;
  }

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("table[data-grid] a");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const other = next(link, event.key);
    if (!other) return;
    event.preventDefault();
    link.tabIndex = -1;
    other.tabIndex = 0;
    other.focus();
  });
})();
