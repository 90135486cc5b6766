// Small services to forms: the visitor's time zone where none is chosen, one press that sends once, words that outlive a
// session that ends while they are written, and an answer that is not to be had again by sending the form again: reload
// and the way back lead to the address it names.
(() => {
  function fillZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const field of document.querySelectorAll("[data-detect-zone]")) {
      if (field.value || !zone) continue;
      field.value = zone;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  // What is being written stays with this tab until the server has it (data-sent), or somebody signs out.
  function kept(field) { return `draft ${field.dataset.draft}`; }
  function stored(use) { try { return use(sessionStorage); } catch { return null; /* refused or full: they stay with the page */ } }
  function keep({ target }) {
    if (target.dataset?.draft) stored((drafts) => drafts.setItem(kept(target), target.value));
  }
  function bringBack() {
    for (const field of document.querySelectorAll("[data-draft]")) {
      if ("sent" in field.dataset) stored((drafts) => drafts.removeItem(kept(field)));
      else if (!field.value) field.value = stored((drafts) => drafts.getItem(kept(field))) || "";
    }
  }
  document.addEventListener("input", keep);
  document.addEventListener("submit", ({ target }) => {
    if (target.matches("[action='/auth/sign-out']")) stored((drafts) => drafts.clear());
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented || form.matches("[hx-post]")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
  });
  // The same of what htmx sends, until it is answered.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[hx-post][data-sent]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  document.addEventListener("htmx:before:request", ({ target }) => {
    if (target.matches?.("form[hx-post]")) target.dataset.sent = "yes";
  });
  document.addEventListener("htmx:finally:request", ({ target }) => {
    if (target.matches?.("form[hx-post]")) delete target.dataset.sent;
  });
  // Back to a page kept by the browser: its forms may be sent again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
  const answer = document.querySelector("[data-address]");
  if (answer) history.replaceState(history.state, "", answer.dataset.address);
  function begin() { fillZone(); bringBack(); }
  document.addEventListener("htmx:after:swap", begin);
  begin();
})();
