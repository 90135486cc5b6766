// The trend of run times, to zoom and to read exactly: drawn by uPlot, which is loaded when the chart comes into sight.
// Without this script the drawn chart stays, with the same words. While a chart is zoomable htmx leaves it alone.
(() => {
  const FRESH = 60_000;
  const GAP = 12;
  const NONE = "No runs in this stretch.";
  const library = { promise: null };

  function load(url) {
    library.promise ||= new Promise((done, failed) => {
      const script = document.createElement("script");
      Object.assign(script, { src: url, onload: done, onerror: failed });
      document.head.append(script);
    });
    return library.promise;
  }

  // The words are those of tokiflow/core/durations.py.
  function duration(seconds) {
    if (!(seconds > 0)) return "0 s";
    if (seconds < 0.1) return `${Math.max(Math.floor(seconds * 1000 + 1e-6), 1)} ms`;
    if (seconds < 10) return `${Math.floor(seconds * 10 + 1e-6) / 10} s`;
    const whole = Math.floor(seconds + 1e-6);
    if (whole < 60) return `${whole} s`;
    const two = (first, unit, second, smaller, wide) =>
      second ? `${first} ${unit} ${wide ? String(second).padStart(2, "0") : second} ${smaller}` : `${first} ${unit}`;
    if (whole < 3600) return two(Math.floor(whole / 60), "m", whole % 60, "s", true);
    if (whole < 86_400) return two(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
    const days = Math.floor(whole / 86_400);
    return two(days, days === 1 ? "day" : "days", Math.floor((whole % 86_400) / 3600), "h");
  }

  // September is the one month of which browsers don't keep three letters.
  function said(format, moment) { return format.format(moment).replace("Sept", "Sep"); }

  const OUTCOMES = { success: "Success", failed: "Failed", overran: "Ran too long", missed: "Missed", running: "Running" };
  const SHAPES = { failed: "failed", overran: "failed", missed: "missed" };
  const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800];

  function shape(point) {
    if (point.runs) {
      if (point.runs.failed || point.runs.overran) return "failed";
      if (point.runs.missed) return "missed";
      return point.runs.anomalies ? "odd" : "usual";
    }
    return SHAPES[point.outcome] || (point.said ? "odd" : "usual");
  }

  // A colour as the page shows it now: what a variable stands for is only known where it is used.
  function ink(host, name) {
    const probe = document.createElement("span");
    probe.style.color = `var(--${name})`;
    host.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function inks(host) {
    const names = ["ink", "ink-3", "line", "edge", "accent", "late", "down", "card"];
    return Object.fromEntries(names.map((name) => [name, ink(host, name)]));
  }

  function place(point) {
    const at = Date.parse(point.at);
    return (point.until ? (at + Date.parse(point.until)) / 2 : at) / 1000;
  }

  function good(point) { return point.seconds !== null && (point.runs || !SHAPES[point.outcome]); }

  // Where the line is interrupted, by the rule of the drawn chart: amid so many usual distances, and a tenth of it all.
  function silences(points, until) {
    const at = points.filter(good).map(place);
    if (at.length < 2) return [];
    const apart = at.slice(1).map((one, k) => one - at[k]);
    const sorted = [...apart].sort((one, other) => one - other);
    const usual = (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
    const widest = Math.max(GAP * usual, (until - place(points[0])) / 10);
    return apart.map((gap, k) => (gap > widest ? at[k] + gap / 2 : 0)).filter(Boolean);
  }

  // Points and edges of the band share one axis; where one of the two has nothing to say, the line goes on.
  function table(data) {
    const points = data.points.filter((point) => point.outcome !== "running");
    const all = [
      ...points.map((point) => [place(point), point, null]),
      ...data.band.map((edge) => [Date.parse(edge.at) / 1000, null, edge]),
      ...silences(points, Date.parse(data.until) / 1000).map((at) => [at, null, null]),
    ];
    all.sort((one, other) => one[0] - other[0]);
    // To uPlot null is a gap, and undefined nothing at all.
    const time = ([, point, edge]) => (point ? (good(point) ? point.seconds : undefined) : edge ? undefined : null);
    return {
      rows: all.map((one) => one[1]),
      columns: [
        all.map((one) => one[0]),
        all.map(time),
        all.map(([, , edge]) => (edge ? edge.low : undefined)),
        all.map(([, , edge]) => (edge ? edge.high : undefined)),
      ],
    };
  }

  class Chart {
    constructor(box) {
      this.box = box;
      this.host = document.createElement("div");
      this.host.className = "zoom";
      this.host.innerHTML = '<div class="plot"></div><p class="hint"></p>';
      this.plot = this.host.querySelector(".plot");
      this.plot.tabIndex = 0;
      this.plot.setAttribute("role", "application");
      this.plot.setAttribute("aria-roledescription", "chart");
      this.plot.setAttribute("aria-label", `${box.querySelector("svg").getAttribute("aria-label")} Arrow keys walk from run to run, plus and minus zoom, Enter opens the run, Escape shows the whole again.`);
      this.host.querySelector(".hint").textContent = matchMedia("(pointer: coarse)").matches ? "Tap a run to read it, and once more to open it. Two fingers zoom." : "Drag to zoom, hover for the exact run, click to open it.";
      this.tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
      this.told = Object.assign(document.createElement("p"), { className: "sr" });
      this.told.setAttribute("aria-live", "polite");
      this.reset = Object.assign(document.createElement("button"), { className: "button small reset", type: "button", textContent: "Show the whole", hidden: true });
      this.host.append(this.reset, this.tip, this.told);
      this.reset.addEventListener("click", () => { this.whole(); this.plot.focus(); });
      this.plot.addEventListener("keydown", (event) => this.press(event));
      this.plot.addEventListener("click", (event) => this.follow(event));
      this.plot.addEventListener("pointermove", () => { this.walking = null; });
      this.plot.addEventListener("touchstart", () => { this.pinched = null; }, { passive: true });
      this.plot.addEventListener("touchmove", (event) => this.pinch(event), { passive: false });
      this.plot.addEventListener("blur", () => { this.walking = null; this.point(null); });
      this.zoomed = false;
    }

    async start() {
      const [data] = await Promise.all([this.fetch(), load(this.box.dataset.library)]);
      this.show(data);
      this.box.append(this.host);
      this.box.classList.add("live");
      this.box.setAttribute("hx-morph-skip", "");
      this.draw();
      new ResizeObserver(() => this.resize()).observe(this.plot);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      new MutationObserver(() => this.draw()).observe(document.documentElement, { attributeFilter: ["data-scheme"] });
    }

    async fetch() {
      const answer = await fetch(this.box.dataset.trend, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`the trend was answered with ${answer.status}`);
      this.fetched = performance.now();
      return answer.json();
    }

    show(data) {
      if (!data.points.length) throw new Error("there is nothing to draw any more");
      this.table = table(data);
      const [first] = this.table.columns[0];
      this.from = first;
      this.to = Math.max(Date.parse(data.until) / 1000, this.table.columns[0].at(-1));
    }

    get width() { return Math.max(this.plot.clientWidth, 200); }

    resize() { if (this.chart && this.chart.width !== this.width) this.chart.setSize({ width: this.width, height: 216 }); }

    draw() {
      const range = this.zoomed && this.chart ? [this.chart.scales.x.min, this.chart.scales.x.max] : [this.from, this.to];
      this.chart?.destroy();
      this.ink = inks(this.host);
      this.chart = new uPlot(this.options(range), this.table.columns, this.plot);
      this.chart.root.setAttribute("aria-hidden", "true");
    }

    options([min, max]) {
      const { ink: c } = this;
      const axis = { stroke: c["ink-3"], font: "500 12px 'Inter Variable', sans-serif", ticks: { show: false } };
      const bounds = { stroke: "transparent", width: 0, points: { show: false } };
      return {
        width: this.width, height: 216, legend: { show: false }, padding: [18, 4, 0, 0],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), this.box.dataset.zone),
        scales: { x: { time: true, min, max, range: (_, low, high) => [low, high] }, y: { range: (chart, low, high) => [0, this.top(chart, high)] } },
        axes: [
          { ...axis, grid: { show: false }, space: 90, size: 30, values: (_, moments) => this.moments(moments) },
          { ...axis, grid: { stroke: c.line, width: 1 }, size: (_, ticks) => this.gutter(ticks), splits: (_, index, low, high) => this.splits(high), values: (_, ticks) => ticks.map((tick) => (tick ? duration(tick) : "")) },
        ],
        series: [
          {},
          { stroke: c.accent, width: 1.75, spanGaps: false, points: { show: true, size: 4, width: 0, fill: c.accent, filter: (drawn) => this.alone(drawn) } },
          bounds, { ...bounds },
        ],
        bands: [{ series: [3, 2], fill: c.accent.replace("rgb(", "rgba(").replace(")", ", .1)") }],
        cursor: { y: false, points: { show: false }, drag: { x: true, y: false, dist: 6 }, focus: { prox: -1 } },
        hooks: {
          setCursor: [() => this.hover()],
          setScale: [(chart, key) => { if (key === "x") this.scaled(chart); }],
          draw: [(chart) => this.marks(chart)],
        },
      };
    }

    // As the drawn chart has it: round steps, at most four, zero below.
    step(high) { return STEPS.find((step) => high / step <= 4) || Math.ceil(high / 4); }

    top(chart, high) {
      const { min, max } = chart.scales.x;
      const seen = this.seen(min ?? this.from, max ?? this.to).map((k) => this.table.rows[k]);
      const longest = Math.max(0, ...seen.map((point) => Math.max(point.seconds || 0, point.high || 0)));
      // A limit far beyond every run would press them flat: the band may take half of the room at most.
      const highest = Math.max(longest, longest ? Math.min(high || 0, 2 * longest) : high || 0, 0.001);
      const step = this.step(highest);
      return Math.ceil(highest / step - 1e-9) * step;
    }

    seen(min, max) {
      const { rows, columns: [at] } = this.table;
      return rows.map((_, k) => k).filter((k) => rows[k] && at[k] >= min && at[k] <= max);
    }

    // Runs between two silences, too close together for a line to be seen.
    alone(chart) {
      const [at, time] = this.table.columns;
      const parts = [[]];
      time.forEach((seconds, k) => (seconds === null ? parts.push([]) : seconds !== undefined && parts.at(-1).push(k)));
      const wide = (part) => chart.valToPos(at[part.at(-1)], "x") - chart.valToPos(at[part[0]], "x");
      return parts.filter((part) => part.length && wide(part) < 4).map(([first]) => first);
    }

    // As wide as the longest words beside a grid line.
    gutter(ticks) { return Math.max(66, 14 + 7 * Math.max(...(ticks || []).map((words) => words.length))); }

    splits(high) {
      const step = this.step(high);
      return Array.from({ length: Math.round(high / step) + 1 }, (_, k) => k * step);
    }

    moments(moments) {
      const zone = { timeZone: this.box.dataset.zone };
      const [first] = moments;
      const apart = moments.length > 1 ? moments[1] - first : 86_400;
      const clock = { hour: "2-digit", minute: "2-digit", ...(apart < 60 ? { second: "2-digit" } : {}) };
      const day = new Intl.DateTimeFormat("en-GB", { ...zone, day: "numeric", month: "short" });
      const time = new Intl.DateTimeFormat("en-GB", { ...zone, ...clock });
      return moments.map((at) => {
        const date = new Date(at * 1000);
        const words = time.format(date);
        return apart >= 86_400 || (apart >= 3600 && words === "00:00") ? said(day, date) : words;
      });
    }

    // What went wrong or was odd, each with a form of its own.
    marks(chart) {
      const { ctx } = chart;
      const ratio = devicePixelRatio;
      const { left, top, width, height } = chart.bbox;
      ctx.save();
      ctx.beginPath();
      ctx.rect(left - 8 * ratio, top - 14 * ratio, width + 16 * ratio, height + 22 * ratio);
      ctx.clip();
      this.ranges(chart, ratio);
      const { min, max } = chart.scales.x;
      const odd = this.seen(min, max).filter((k) => shape(this.table.rows[k]) !== "usual").map((k) => {
        const point = this.table.rows[k];
        return { point, x: chart.valToPos(this.table.columns[0][k], "x", true), y: chart.valToPos(point.seconds || 0, "y", true) };
      });
      odd.forEach(({ point, x, y }) => this.mark(ctx, shape(point), x, y, ratio * (odd.length > 36 ? 0.65 : 1)));
      this.label(chart, odd, ratio);
      if (!this.seen(min, max).length) {
        Object.assign(ctx, { font: `500 ${13 * ratio}px 'Inter Variable', sans-serif`, textAlign: "center", fillStyle: this.ink["ink-3"] });
        ctx.fillText(NONE, left + width / 2, top + height / 2);
      }
      ctx.restore();
    }

    // Words on a few: first what was unlike the usual, then what failed, the newest first; none lies on another.
    label(chart, odd, ratio) {
      const { ctx } = chart;
      const { left, width } = chart.bbox;
      const taken = [];
      Object.assign(ctx, { font: `500 ${12 * ratio}px 'Inter Variable', sans-serif`, textAlign: "left", lineWidth: 4 * ratio, lineJoin: "round", strokeStyle: this.ink.card, fillStyle: this.ink.ink });
      const heavy = ({ point }) => (shape(point) === "odd" ? 0 : 1);
      for (const { point, x, y } of odd.slice(-40).reverse().sort((one, other) => heavy(one) - heavy(other))) {
        if (taken.length === 4) break;
        const words = (point.said || "").replace(/^took /, "").split(" (z =")[0];
        if (!words || words.length > 48) continue;
        const wide = ctx.measureText(words).width;
        const from = Math.min(Math.max(x - wide / 2, left), left + width - wide);
        const below = y - 12 * ratio;
        if (wide > width || taken.some((one) => from < one.to + 8 * ratio && from + wide > one.from - 8 * ratio && Math.abs(below - one.y) < 16 * ratio)) continue;
        taken.push({ from, to: from + wide, y: below });
        ctx.strokeText(words, from, below);
        ctx.fillText(words, from, below);
      }
    }

    ranges(chart, ratio) {
      const { ctx } = chart;
      ctx.globalAlpha = 0.2;
      ctx.strokeStyle = this.ink.accent;
      ctx.lineWidth = 2 * ratio;
      ctx.beginPath();
      this.table.rows.forEach((point, k) => {
        if (!point || point.low === undefined || point.low === null || point.low === point.high) return;
        const x = chart.valToPos(this.table.columns[0][k], "x", true);
        ctx.moveTo(x, chart.valToPos(point.low, "y", true));
        ctx.lineTo(x, chart.valToPos(point.high, "y", true));
      });
      ctx.stroke();
      ctx.globalAlpha = 1;
    }

    mark(ctx, kind, x, y, size) {
      ctx.beginPath();
      ctx.lineWidth = 1.5 * size;
      if (kind === "failed") {
        ctx.moveTo(x, y - 6 * size); ctx.lineTo(x + 5.6 * size, y + 4.4 * size); ctx.lineTo(x - 5.6 * size, y + 4.4 * size); ctx.closePath();
        ctx.fillStyle = this.ink.down; ctx.strokeStyle = this.ink.card;
      } else if (kind === "missed") {
        ctx.rect(x - 3.5 * size, y - 8 * size, 7 * size, 8 * size);
        ctx.fillStyle = this.ink.card; ctx.strokeStyle = this.ink.down; ctx.setLineDash([2 * size, 1.4 * size]);
      } else {
        ctx.arc(x, y, 4 * size, 0, 2 * Math.PI);
        ctx.fillStyle = this.ink.card; ctx.strokeStyle = this.ink.late; ctx.lineWidth = 2.5 * size;
      }
      ctx.fill(); ctx.stroke(); ctx.setLineDash([]);
    }

    scaled(chart) {
      const { min, max } = chart.scales.x;
      this.zoomed = min > this.from + 1e-3 || max < this.to - 1e-3;
      this.reset.hidden = !this.zoomed;
      this.host.dataset.zoomed = this.zoomed;
      if (this.at !== null && this.at !== undefined && !this.seen(min, max).includes(this.at)) this.point(null);
    }

    whole() { this.chart.setScale("x", { min: this.from, max: this.to }); this.point(null); }

    // By hand: the nearest to the cursor of the runs in sight.
    nearest(index) {
      if (index === null || index === undefined) return null;
      const { columns: [at] } = this.table;
      const { min, max } = this.chart.scales.x;
      const away = (k) => Math.abs(at[k] - this.chart.posToVal(this.chart.cursor.left, "x"));
      return this.seen(min, max).reduce((best, k) => (best === null || away(k) < away(best) ? k : best), null);
    }

    hover() {
      if (this.walking !== null && this.walking !== undefined) return;
      this.point(this.chart.cursor.left < 0 ? null : this.nearest(this.chart.cursor.idx));
    }

    point(k) {
      this.at = k;
      this.tip.hidden = k === null;
      if (k === null) return;
      const point = this.table.rows[k];
      const kind = shape(point);
      this.tip.className = `tip ${kind}`;
      this.tip.replaceChildren(...this.words(point, kind));
      const left = this.chart.valToPos(this.table.columns[0][k], "x") + this.chart.over.offsetLeft + this.plot.offsetLeft;
      const wide = this.tip.offsetWidth;
      const beside = left > this.host.clientWidth / 2 ? left - wide - 10 : left + 10;
      this.tip.style.transform = `translate(${Math.round(Math.max(4, Math.min(beside, this.host.clientWidth - wide - 4)))}px, 2.2rem)`;
    }

    words(point, kind) {
      const head = document.createElement("strong");
      head.textContent = this.took(point);
      const when = document.createElement("span");
      when.textContent = this.moment(point);
      const said = document.createElement("span");
      said.className = "said";
      said.textContent = point.said && kind !== "usual" ? ` ${point.said}` : "";
      return [head, when, said];
    }

    took(point) {
      if (!point.runs) return `${OUTCOMES[point.outcome]}${point.seconds === null ? "" : `, ${duration(point.seconds)}`}`;
      const expected = point.runs.succeeded + point.runs.failed + point.runs.overran + point.runs.missed;
      const head = `${point.runs.succeeded.toLocaleString("en-US")} of ${expected.toLocaleString("en-US")} runs succeeded`;
      return point.seconds === null ? head : `${head}, half within ${duration(point.seconds)}`;
    }

    moment(point) {
      const zone = { timeZone: this.box.dataset.zone, timeZoneName: "short" };
      const format = new Intl.DateTimeFormat("en-GB", { ...zone, weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
      const short = new Intl.DateTimeFormat("en-GB", { ...zone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
      const [at, until] = [new Date(point.at), new Date(point.until || point.at)];
      return point.until ? `${said(short, at)} to ${said(short, until)}` : said(format, at);
    }

    // A finger can't hover: its first tap on a run tells of it, the second opens it. A drag is no click: uPlot sees to that.
    follow(event) {
      if (this.at === null || this.at === undefined) return;
      const told = event.pointerType !== "touch" || this.tapped === this.at;
      this.tapped = this.at;
      if (told) location.assign(this.table.rows[this.at].url);
    }

    // Two fingers: the moment under each of them stays there.
    pinch(event) {
      if (event.touches.length !== 2) return;
      event.preventDefault();
      const { left, width } = this.chart.over.getBoundingClientRect();
      const [one, other] = [...event.touches].map((touch) => touch.clientX - left).sort((a, b) => a - b);
      this.pinched ||= [one, other].map((x) => this.chart.posToVal(x, "x"));
      const [begin, end] = this.pinched;
      const pixel = (end - begin) / Math.max(other - one, 8);
      this.look(begin - one * pixel, begin + (width - one) * pixel);
    }

    // By keys: from run to run, closer and farther, and back to the whole.
    press(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const moves = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
      if (event.key in moves) this.walk(moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "Escape") this.whole();
      else if (event.key === "Enter" && this.at !== null && this.at !== undefined) location.assign(this.table.rows[this.at].url);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    walk(step) {
      const { min, max } = this.chart.scales.x;
      const seen = this.seen(min, max);
      if (!seen.length) { this.told.textContent = NONE; return; }
      const now = seen.indexOf(this.walking ?? this.at);
      const next = now < 0 ? seen.length - 1 : Math.min(Math.max(now + step, 0), seen.length - 1);
      this.walking = seen[Number.isFinite(next) ? next : step > 0 ? seen.length - 1 : 0];
      this.point(this.walking);
      this.told.textContent = [...this.tip.children].map((part) => part.textContent).join(". ");
    }

    zoom(factor) {
      const { min, max } = this.chart.scales.x;
      const centre = this.walking !== null && this.walking !== undefined ? this.table.columns[0][this.walking] : (min + max) / 2;
      const half = ((max - min) * factor) / 2;
      this.look(centre - half, centre + half);
    }

    // From one moment to another, as far as there is anything; two seconds at least.
    look(low, high) {
      const short = Math.max(0, 2 - (high - low)) / 2;
      this.chart.setScale("x", { min: Math.max(this.from, low - short), max: Math.min(this.to, high + short) });
    }

    async renew() {
      if (this.zoomed || !this.tip.hidden || document.hidden || performance.now() - this.fetched < FRESH) return;
      this.fetched = performance.now();
      this.show(await this.fetch());
      this.draw();
    }
  }

  let chart = null;

  function begin() {
    const box = document.querySelector("[data-trend]");
    if (!box || box.dataset.begun) return;
    box.dataset.begun = "yes";
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watch.disconnect();
      chart = new Chart(box);
      // What cannot be loaded is no loss: the drawn chart is there.
      chart.start().catch(() => { chart = null; });
    }, { rootMargin: "200px" });
    watch.observe(box);
  }

  document.addEventListener("htmx:after:swap", () => { begin(); chart?.renew().catch(() => {}); });
  begin();
})();
