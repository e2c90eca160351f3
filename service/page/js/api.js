/** The service's HTTP interface as the page uses it. */

const KEY = "cs3-key";
const TRIES = 4;

/** What the service refused, in its own words (RFC 9457). */
export class Problem extends Error {
  constructor(problem, status) {
    const fields = (problem.errors ?? []).map(({ field, message }) => `${field}: ${message}`)
      .filter((line) => !problem.detail?.includes(line)).join("; ");
    super([problem.detail, fields, problem.action].filter(Boolean).join(" "));
    this.title = problem.title ?? `The service answered ${status}`;
    this.status = status;
  }
}

let askForKey = async () => false;

/** Name the function that asks a person for a key; it answers whether there is a new one. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** The key in use, or null. */
export function key() {
  return sessionStorage.getItem(KEY);
}

/** Use a key from now on, for this tab only; null forgets it. */
export function setKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

function headers(more = {}) {
  return key() ? { ...more, Authorization: `Bearer ${key()}` } : more;
}

/**
 * Ask the service. Waits as long as it says when it is busy, and asks for a key when it wants one.
 * @returns the response, which is good
 */
export async function ask(path, { method = "GET", body = null, more = {}, signal = null } = {}) {
  for (let tries = 1; ; tries++) {
    let response;
    try {
      response = await fetch(path, { method, body, headers: headers(more), signal, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    if (response.ok) return response;
    if (response.status === 401 && await askForKey(response)) continue;
    const busy = response.status === 429 || response.status === 503;
    if (!busy || tries >= TRIES) throw await problemOf(response);
    await pause(retryAfter(response.headers.get("Retry-After"), tries), signal);
  }
}

/** The same, with the answer as JSON; null for an empty one. */
export async function askJson(path, options = {}) {
  const more = { Accept: "application/json", ...(options.json ? { "Content-Type": "application/json" } : {}) };
  const body = options.json ? JSON.stringify(options.json) : options.body ?? null;
  const response = await ask(path, { ...options, body, more });
  return response.status === 204 ? null : response.json();
}

/** A picture as an object URL: images cannot carry a key themselves. */
export async function picture(path, signal) {
  return URL.createObjectURL(await (await ask(path, { signal })).blob());
}

/**
 * Send a form and tell how much of it has gone.
 * @param told called with a fraction from 0 to 1
 * @returns {promise, stop}
 */
export function send(path, form, told) {
  const request = new XMLHttpRequest();
  // The same key for every try: what arrived twice is one job.
  const idempotency = [...crypto.getRandomValues(new Uint8Array(16))].map((v) => v.toString(16).padStart(2, "0")).join("");
  let stopped = false;
  const once = () => new Promise((resolve, reject) => {
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers({ Accept: "application/json", "Idempotency-Key": idempotency }))) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => event.lengthComputable && told(event.loaded / event.total);
    request.onload = () => resolve(request);
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    request.send(form);
  });
  const promise = (async () => {
    for (let tries = 1; ; tries++) {
      const { status, responseText } = await once();
      const answer = parse(responseText);
      if (status >= 200 && status < 300) return answer;
      if (status === 401 && await askForKey()) continue;
      const busy = status === 429 || status === 503;
      if (!busy || tries >= TRIES) throw new Problem(answer ?? {}, status);
      told(null);
      await pause(retryAfter(request.getResponseHeader("Retry-After"), tries));
      if (stopped) throw new DOMException("stopped", "AbortError");
    }
  })();
  const stop = () => {
    stopped = true;
    request.abort();
  };
  return { promise, stop };
}

/**
 * Read server-sent events for as long as the caller wants them; goes on after the last event when the line breaks
 * or the service restarts. (The browser's own EventSource cannot send a key.)
 */
export async function* events(path, signal) {
  let last = null;
  for (let failures = 0; ;) {
    try {
      const more = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
      const response = await ask(path, { more, signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) throw new Error("the stream ended");
        text = (text + value).replaceAll("\r\n", "\n");
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const event = parseEvent(block);
          if (event.id !== null) last = event.id;
          if (event.data) {
            failures = 0;
            yield { type: event.type, data: JSON.parse(event.data) };
          }
        }
      }
    } catch (error) {
      if (signal?.aborted || (error instanceof Problem && error.status < 500) || ++failures > 20) throw error;
      await pause(Math.min(15, failures), signal);
    }
  }
}

/**
 * Let the browser keep a file under the service's name for it: by its own link, or by way of memory with a key.
 * @param otherwise its name where the service gives none
 */
export async function download(path, otherwise = "") {
  const link = document.createElement("a");
  if (key()) {
    const response = await ask(path);
    link.href = URL.createObjectURL(await response.blob());
    link.download = nameOf(response.headers.get("Content-Disposition") ?? "") ?? otherwise;
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } else {
    link.href = path;
    link.download = otherwise;
  }
  document.body.append(link);
  link.click();
  link.remove();
}

/** The file name in a Content-Disposition (RFC 6266), or null. */
function nameOf(disposition) {
  const encoded = disposition.match(/filename\*=UTF-8''([^;]+)/i)?.[1];
  return encoded ? decodeURIComponent(encoded) : disposition.match(/filename="?([^";]+)"?/i)?.[1] ?? null;
}

function parseEvent(block) {
  const event = { type: "message", data: "", id: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const [name, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (name === "event") event.type = value;
    if (name === "id") event.id = value;
    if (name === "data") event.data += (event.data ? "\n" : "") + value;
  }
  return event;
}

async function problemOf(response) {
  return new Problem(parse(await response.text()) ?? {}, response.status);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function unreachable() {
  return Object.assign(new Error("Check that the service runs (cs3 service start) and that this computer reaches it."),
    { title: "The service does not answer" });
}

function retryAfter(value, tries) {
  const seconds = Number(value);
  return value && Number.isFinite(seconds) ? Math.min(seconds, 60) : 2 ** tries / 2;
}

function pause(seconds, signal = null) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    }, { once: true });
  });
}
