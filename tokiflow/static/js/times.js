// Relative times stay true while the page is open. The words are those of tokiflow/core/durations.py.
(() => {
  const root = document.documentElement;
  // The server's clock counts, not the visitor's: a laptop five minutes off must not turn "now" into the past.
  const offset = root.dataset.now ? Date.parse(root.dataset.now) - Date.now() : 0;
  const MINUTE = 60, HOUR = 3600, DAY = 86_400;

  function counted(count, unit) { return `${count.toLocaleString("en-US")} ${unit}${count === 1 ? "" : "s"}`; }

  function past(seconds) {
    if (seconds < 10) return "just now";
    if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
    if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
    if (seconds < DAY) return `${counted(Math.floor(seconds / HOUR), "hour")} ago`;
    return `${counted(Math.floor(seconds / DAY), "day")} ago`;
  }

  function pair(first, unit, second, smaller) { return second ? `${first} ${unit} ${second} ${smaller}` : `${first} ${unit}`; }

  // Up to the whole minute: a countdown never claims that a run is due before it is.
  function ahead(seconds) {
    if (seconds < MINUTE) return `in ${Math.ceil(seconds)} s`;
    const minutes = Math.ceil(seconds / MINUTE);
    const hours = Math.floor(minutes / 60);
    const days = Math.floor(hours / 24);
    if (!hours) return `in ${minutes} min`;
    if (!days) return `in ${pair(hours, "h", minutes % 60, "min")}`;
    return `in ${pair(days, days === 1 ? "day" : "days", hours % 24, "h")}`;
  }

  function relative(at, now) {
    const seconds = (now - at) / 1000;
    return seconds < 0 ? ahead(-seconds) : past(seconds);
  }

  function refresh() {
    const now = Date.now() + offset;
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const text = relative(Date.parse(time.dateTime), now);
      if (time.textContent.trim() !== text) time.textContent = text;
    }
  }

  // Pages are drawn in the zone a person chose; until they have, in this one.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tokiflow_zone=${zone}; path=/; max-age=31536000; samesite=lax`;

  setInterval(() => { if (!document.hidden) refresh(); }, 10_000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
})();
