// Ticks in a list (data-pick) for what is done to many at once: all of a page, a stretch with shift, and how many they
// are. The keys x and shift x are those of js/shortcuts.js, which click here.
(() => {
  let last = null;

  function boxes() { return [...document.querySelectorAll("[data-pick]")]; }

  function count() {
    const form = document.querySelector("[data-bulk]");
    if (!form) return;
    const all = boxes();
    const ticked = all.filter((box) => box.checked).length;
    const matching = form.querySelector("[data-pick-matching]");
    const page = form.querySelector("[data-pick-all]");
    page.checked = ticked > 0 && ticked === all.length;
    page.indeterminate = ticked > 0 && ticked < all.length;
    const words = matching?.checked ? matching.parentElement.textContent.trim() : ticked ? `${ticked} ticked` : "None ticked";
    const output = form.querySelector("[data-picked]");
    if (output.textContent !== words) output.textContent = words;
    form.toggleAttribute("data-some", ticked > 0 || Boolean(matching?.checked));
  }

  function stretch(box) {
    const all = boxes();
    const [from, to] = [all.findIndex((one) => one.value === last), all.indexOf(box)];
    if (from < 0) return;
    for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) one.checked = box.checked;
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("[data-pick]");
    if (!box) return;
    if (event.shiftKey) stretch(box);
    last = box.value;
    count();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) for (const box of boxes()) box.checked = event.target.checked;
    count();
  });
  document.addEventListener("htmx:after:swap", count);
  addEventListener("pageshow", count);
  count();
})();
