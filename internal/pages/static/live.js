// Keeps a page up to date: the server sends an event when something has changed, and the page
// is then read again. Where the host holds a stream back, the page is read every ten seconds, and
// that of many apps as seldom as it says.
(() => {
  "use strict";
  const script = document.currentScript, source = script.dataset.live, every = Number(script.dataset.every);
  const voice = document.getElementById("voice");
  let stream, timer, reading = false;

  async function read() {
    if (reading || document.hidden) return;
    reading = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const old = document.querySelector("main"), fresh = next.querySelector("main");
      if (old.matches(":active")) return setTimeout(read, 500); // something is being clicked
      const held = old.contains(document.activeElement) && document.activeElement;
      for (const open of old.querySelectorAll("details[open][id]")) {
        const same = fresh.querySelector("#" + CSS.escape(open.id));
        if (same) same.open = true;
      }
      const before = old.querySelector("h1").textContent, now = fresh.querySelector("h1").textContent;
      old.replaceWith(document.adoptNode(fresh));
      document.title = next.title;
      if (held && held.href) {
        for (const link of fresh.querySelectorAll("a[href]")) if (link.href === held.href) { link.focus({ preventScroll: true }); break; }
      }
      if (before !== now) voice.textContent = now;
    } finally {
      reading = false;
    }
  }

  function poll(seconds) {
    clearInterval(timer);
    timer = setInterval(read, seconds * 1000);
  }

  function listen() {
    if (every > 0) return poll(every);
    stream = new EventSource(source);
    const late = setTimeout(() => { stream.close(); poll(10); }, 8000);
    stream.addEventListener("hello", () => { clearTimeout(late); poll(20); read(); }); // ages go on while nothing changes
    stream.addEventListener("changed", read);
    stream.addEventListener("poll", () => { clearTimeout(late); stream.close(); poll(10); });
  }

  document.addEventListener("visibilitychange", () => {
    if (stream) stream.close();
    clearInterval(timer);
    if (!document.hidden) { read(); listen(); }
  });
  // "/" finds an app. The focus moves when the key is let go, so that the search is empty.
  const slash = (event) => event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  document.addEventListener("keydown", (event) => { if (slash(event)) event.preventDefault(); });
  document.addEventListener("keyup", (event) => { if (slash(event)) document.querySelector("input[type=search]").focus(); });
  if (!document.hidden) listen();
})();
