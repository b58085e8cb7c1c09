// The server's event stream: connects again automatically, and reports when the server is away.

// The server sends every 5 s also when nothing changes.
const SILENT_MS = 15000;
const AGAIN_MS = [1000, 2000, 4000, 8000];

export class Stream {
  constructor(handlers, onAway) {
    this.handlers = handlers;
    this.onAway = onAway;
    this.tries = 0;
    this.heard = Date.now();
    this.open();
    setInterval(() => this.check(), 1000);
  }

  get isAway() {
    return this.away === true;
  }

  open() {
    this.source = new EventSource("/api/v1/events?parts=1");
    for (const [name, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(name, (event) => {
        this.heard = Date.now();
        this.tries = 0;
        this.away = false;
        handle(JSON.parse(event.data));
      });
    }
    this.source.addEventListener("error", () => this.lost());
  }

  lost() {
    this.away = true;
    this.onAway();
    // While it is CONNECTING the browser retries; CLOSED is final.
    if (this.source.readyState === EventSource.CLOSED) this.again();
  }

  check() {
    if (Date.now() - this.heard < SILENT_MS || this.waiting) return;
    this.away = true;
    this.onAway();
    this.source.close();
    this.again();
  }

  again() {
    if (this.waiting) return;
    const wait = AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)];
    this.waiting = setTimeout(async () => {
      this.waiting = null;
      this.heard = Date.now();
      try {
        const answer = await fetch("/api/v1/health", { cache: "no-store" });
        if (answer.status === 401) {
          location.assign("/login");
          return;
        }
        this.open();
      } catch {
        this.again();
      }
    }, wait);
  }
}
