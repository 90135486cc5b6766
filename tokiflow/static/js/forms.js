// Small services to forms: the visitor's time zone where none is chosen, one press that sends once, and an answer that
// is not to be had again by sending the form again: reload and the way back lead to the address it names.
(() => {
  function fillZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const field of document.querySelectorAll("[data-detect-zone]")) {
      if (field.value || !zone) continue;
      field.value = zone;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented || form.matches("[hx-post]")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
  });
  // Back to a page kept by the browser: its forms may be sent again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
  const answer = document.querySelector("[data-address]");
  if (answer) history.replaceState(history.state, "", answer.dataset.address);
  document.addEventListener("htmx:after:swap", fillZone);
  fillZone();
})();
