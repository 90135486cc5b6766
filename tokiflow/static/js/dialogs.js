// Questions open in a dialog (components/dialog.html); without JavaScript the same link leads to the same question.
(() => {
  const ask = document.getElementById("ask-dialog");

  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.target?.id !== "ask-body" || !ask || ask.open) return;
    ask.showModal();
    ask.querySelector("#ask-title")?.focus();
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open-dialog]");
    if (opener) document.getElementById(opener.dataset.openDialog)?.showModal();
    const closer = event.target.closest("[data-close-dialog]");
    const dialog = closer?.closest("dialog");
    if (dialog) { event.preventDefault(); dialog.close(); }
    // A press on the backdrop is a press on the dialog itself, outside of what it holds.
    if (event.target instanceof HTMLDialogElement) event.target.close();
  });

  ask?.addEventListener("close", () => document.getElementById("ask-body").replaceChildren());
})();
