// Copy buttons (components/copy.html) and fields that select themselves.
(() => {
  const WAIT = 1800;

  function source(button) { return button.parentElement.querySelector("input, code"); }

  function select(from) {
    if (from instanceof HTMLInputElement) return from.select();
    getSelection().selectAllChildren(from);
  }

  async function copy(button) {
    const from = source(button);
    const word = button.firstChild;
    const before = button.dataset.word ||= word.data;
    try {
      await navigator.clipboard.writeText(from.value ?? from.textContent);
      word.data = "Copied";
    } catch {
      // No clipboard without TLS or permission: select, and leave the last key to the reader.
      select(from);
      word.data = "Press Ctrl C";
    }
    document.getElementById("announcer").textContent = word.data;
    setTimeout(() => { word.data = before; }, WAIT);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("focusin", (event) => { if (event.target.matches("[data-select-all]")) event.target.select(); });
})();
