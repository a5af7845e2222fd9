// Keeps the page's own files, so that it opens without its server.
// @ts-check
const KEPT = "lutra-@VERSION@";
const FILES = [".", "index.html", "page.css", "report.css", "page.js", "fields.js", "probe.js", "worker.js", "known.json", "engine/lutra_web.js", "engine/lutra_web_bg.wasm"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = (names) => Promise.all(names.filter((name) => name.startsWith("lutra-") && name !== KEPT).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(old).then(() => self.clients.claim()));
});
self.addEventListener("fetch", (event) => {
  const own = event.request.method === "GET" && new URL(event.request.url).origin === self.location.origin;
  if (own) event.respondWith(caches.match(event.request, { cacheName: KEPT, ignoreSearch: true }).then((kept) => kept ?? fetch(event.request)));
});
