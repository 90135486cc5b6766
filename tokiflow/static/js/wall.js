// The wall asks every few seconds, keeps its clock, and never shows an old state as if it were a new one: what has not
// been confirmed for a while is greyed out, under a line that says since when.
(() => {
  const EVERY = 5_000;
  const LOST = 20_000;
  const root = document.documentElement;
  const line = document.getElementById("lost");
  let seen = "";
  let heard = Date.now();
  let asked = Date.now();

  function region() { return document.getElementById("wall"); }

  function time(ms, options) {
    return new Intl.DateTimeFormat("en-GB", { timeZone: region().dataset.zone, hour12: false, ...options }).format(ms);
  }

  function words(ms) {
    const minutes = Math.floor(ms / 60_000);
    if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  // The server's time, going on from what it said last: the clock of the screen itself may be wrong.
  function tick() {
    const at = region().dataset.at;
    const now = Date.now();
    if (at !== seen) { seen = at; heard = now; }
    const age = now - heard;
    const hour = time(Date.parse(at) + age, { hour: "2-digit", minute: "2-digit" });
    const clock = document.getElementById("clock");
    if (clock.textContent !== hour) clock.textContent = hour;
    tell(age, at);
    if (now - asked >= EVERY && window.htmx) { asked = now; htmx.trigger(region(), "poll"); }
  }

  function tell(age, at) {
    const lost = age > LOST;
    root.toggleAttribute("data-lost", lost);
    line.hidden = !lost;
    if (!lost) return;
    const since = time(Date.parse(at), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    line.textContent = `Lost touch with Tokiflow. This is how it was at ${since}, ${words(age)} ago.`;
  }

  // A screen that may stay on does; where the browser won't have it, its settings must see to that.
  function stayOn() {
    if (!document.hidden) navigator.wakeLock?.request("screen").catch(() => {});
  }

  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", () => { tick(); stayOn(); });
  stayOn();
})();
