// Parts of a page that follow the server (components/live.html): ask while the tab is seen, rest while it is not, slow
// down when nobody answers. And the tab's icon, its title and the count in the rail, which tell the state from afar.
(() => {
  const root = document.documentElement;
  const due = new WeakMap();
  const patience = new WeakMap();
  const LONGEST = 60_000;

  function period(region) { return (Number(region.dataset.live) || 15) * 1000 * (patience.get(region) || 1); }

  function poll() {
    if (document.hidden || document.querySelector("dialog[open]")) return;
    const now = performance.now();
    for (const region of document.querySelectorAll("[data-live]")) {
      if (!due.has(region)) due.set(region, now + period(region));
      // Timers are never exact: half a second early is better than a whole second late.
      if (now + 500 < due.get(region)) continue;
      due.set(region, now + Math.min(period(region), LONGEST));
      htmx.trigger(region, "poll");
    }
  }

  // Only what it asked itself says how the line is: not a form in it, which speaks for itself (js/messages.js).
  function follower(element) { return element.matches?.("[data-live]") ? element : null; }

  function answered(event) {
    const region = follower(event.target);
    const status = event.detail.ctx?.response?.status;
    if (!region || !status || status >= 500) return;
    patience.delete(region);
    delete root.dataset.offline;
  }

  function unanswered(event) {
    const region = follower(event.target);
    const status = event.detail.ctx?.response?.status;
    if (!region || (status && status < 500)) return;
    patience.set(region, Math.min((patience.get(region) || 1) * 2, 16));
    root.dataset.offline = "";
  }

  function tell() {
    const state = document.getElementById("state");
    if (!state) return;
    const { overall, open, say } = state.dataset;
    const icon = document.getElementById("favicon");
    if (icon.dataset[overall] && icon.getAttribute("href") !== icon.dataset[overall]) icon.href = icon.dataset[overall];
    document.title = (Number(open) ? `(${open}) ` : "") + document.title.replace(/^\(\d+\) /, "");
    const count = document.getElementById("open-incidents");
    if (count) { count.hidden = !Number(open); count.firstChild.data = open; }
    announce(say);
  }

  let said = document.getElementById("state")?.dataset.say;
  function announce(say) {
    if (say && say !== said) document.getElementById("announcer").textContent = say;
    said = say;
  }

  setInterval(poll, 1000);
  document.addEventListener("visibilitychange", poll);
  document.addEventListener("htmx:after:request", answered);
  document.addEventListener("htmx:response:error", unanswered);
  document.addEventListener("htmx:error", unanswered);
  document.addEventListener("htmx:after:swap", tell);
})();
