// Menus are details elements; here they learn to close, and to remember light or dark. A row of chips that is wider than
// the screen begins where the current one can be seen.
(() => {
  const root = document.documentElement;

  function close(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
  }

  function mark() {
    for (const button of document.querySelectorAll("[data-set-scheme]"))
      button.setAttribute("aria-pressed", String(button.dataset.setScheme === (root.dataset.scheme || "")));
  }

  function choose(scheme) {
    if (scheme) root.dataset.scheme = scheme; else delete root.dataset.scheme;
    try {
      if (scheme) localStorage.setItem("tokiflow.scheme", scheme); else localStorage.removeItem("tokiflow.scheme");
    } catch { /* storage refused: it holds until the next page */ }
    mark();
  }

  document.addEventListener("click", (event) => {
    close(event.target.closest("details.menu"));
    const button = event.target.closest("[data-set-scheme]");
    if (button) choose(button.dataset.setScheme);
    if (event.target.closest(".pop [data-open-dialog]")) close();
  });
  document.addEventListener("focusin", (event) => close(event.target.closest("details.menu")));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  mark();
  // A row of chips comes along with the one that has the focus, of which an edge was in sight already.
  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".chips.scroll > *")) event.target.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  for (const chip of document.querySelectorAll(".chips.scroll > [aria-current]")) {
    const row = chip.parentElement;
    row.scrollLeft += chip.getBoundingClientRect().left - row.getBoundingClientRect().left - (row.clientWidth - chip.offsetWidth) / 2;
  }
})();
