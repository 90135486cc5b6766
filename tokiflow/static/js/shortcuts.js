// Single keys, as the help (?) lists them. An element answers to a key with data-key; j and k walk over [data-item].
(() => {
  const help = document.getElementById("help-dialog");
  const toggle = document.querySelector("[data-shortcuts-switch]");
  let off = false;
  try { off = localStorage.getItem("tokiflow.shortcuts") === "off"; } catch { /* storage refused: keys are on */ }
  if (toggle) toggle.checked = !off;

  toggle?.addEventListener("change", () => {
    off = !toggle.checked;
    try { localStorage.setItem("tokiflow.shortcuts", off ? "off" : "on"); } catch { /* holds for this page */ }
  });

  function typing(event) {
    return event.ctrlKey || event.metaKey || event.altKey || event.isComposing
      || event.target.closest?.("input:not([type='checkbox']), textarea, select, [contenteditable]") || document.querySelector("dialog[open]");
  }

  function visible(element) { return element.checkVisibility ? element.checkVisibility() : element.offsetParent; }

  function walk(step) {
    const items = [...document.querySelectorAll("[data-item]")].filter(visible);
    const at = items.findIndex((item) => item.contains(document.activeElement));
    const next = items[at < 0 ? (step > 0 ? 0 : items.length - 1) : at + step];
    next?.querySelector("a.name, a, button")?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  // Until htmx has taken a form over, its button would leave the page; so the press waits for that moment.
  function click(element) {
    const form = window.htmx && element.closest("form[hx-post]:not([data-htmx-powered])");
    if (form) form.addEventListener("htmx:after:init", () => element.click(), { once: true });
    else element.click();
  }

  function press(key) {
    const here = document.activeElement.closest?.("[data-item]");
    const selector = `[data-key="${CSS.escape(key)}"]`;
    const element = here?.querySelector(selector) || [...document.querySelectorAll(selector)].find(visible);
    if (!element) return false;
    if (element.matches("input")) { element.focus(); element.select(); } else click(element);
    return true;
  }

  // What is ticked comes before what the focus is on.
  function acknowledge() {
    const ticked = document.querySelector("[data-bulk][data-some] [data-bulk-acknowledge]");
    if (ticked) click(ticked); else press("a");
  }

  function pick(event) {
    const box = document.activeElement.closest?.("[data-item]")?.querySelector("[data-pick]");
    if (!box) return false;
    box.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: event.shiftKey }));
    return true;
  }

  document.addEventListener("keydown", (event) => {
    if (off || typing(event)) return;
    const { key } = event;
    if (key === "?" && help) help.showModal();
    else if (key === "j" || key === "k") walk(key === "j" ? 1 : -1);
    else if (key === "/" && !press("/") && help) location.assign("/app/monitors#q");
    else if (key === "n" && !press("n") && help) location.assign("/app/monitors/new");
    else if (key === "a") acknowledge();
    else if ((key === "x" || key === "X") && !pick(event)) return;
    else if (!["/", "n", "x", "X"].includes(key)) return;
    event.preventDefault();
  });
})();
