// Files from this browser to the sidecar, in pieces (tus 1.0). What is on its way outlives the page's runs and other pages of
// the app; after a reload the person chooses the file again and it goes on where it was. No cookie is sent anywhere: the
// grant begins uploads for this draft, and each upload's address takes its own bytes.

const PIECE = 8 * 1024 * 1024;
const AT_ONCE = 2;
const KEPT = 24 * 3600 * 1000; // ms for which the server keeps what came
const LONGEST_PAUSE = 30; // seconds between two tries while the connection is away
const TUS = { "Tus-Resumable": "1.0.0" };

const drafts = (window.ppUploads = window.ppUploads || new Map()); // by draft: {files, grant, address, view}

function of(key) {
  if (!drafts.has(key)) drafts.set(key, { key, files: [], grant: "", address: "", view: null, waiting: [] });
  return drafts.get(key);
}

function ask(file, method, url, headers, body, onProgress) {
  return new Promise((done, failed) => {
    const call = new XMLHttpRequest();
    file.call = call;
    call.open(method, url);
    for (const [name, value] of Object.entries(headers)) call.setRequestHeader(name, value);
    if (onProgress) call.upload.onprogress = (event) => onProgress(event.loaded);
    call.onload = () => done(call);
    call.onerror = call.ontimeout = () => failed(new Error("connection"));
    call.onabort = () => failed(new Error("stopped"));
    call.send(body || null);
  });
}

const header = (call, name) => call.getResponseHeader(name) || "";
const offsetOf = (call) => (/^\d+$/.test(header(call, "Upload-Offset")) ? Number(header(call, "Upload-Offset")) : null);
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

function sentence(call) {
  try {
    return JSON.parse(call.responseText).detail || "";
  } catch {
    return "";
  }
}

function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}

// What is remembered of an upload for after a reload; without storage nothing is.
const memory = {
  name: (draft, file) => `pp-upload ${draft} ${file.size} ${file.changed} ${file.name}`,
  put(draft, file) {
    try {
      localStorage.setItem(memory.name(draft, file), JSON.stringify({ secret: file.secret, at: Date.now(), name: file.name, size: file.size, changed: file.changed }));
    } catch { /* it cannot go on after a reload, then */ }
  },
  drop(draft, file) {
    try {
      localStorage.removeItem(memory.name(draft, file));
    } catch { /* nothing was remembered */ }
  },
  all(draft) {
    const found = [];
    try {
      for (const key of Object.keys(localStorage)) {
        if (!key.startsWith("pp-upload ")) continue;
        const told = JSON.parse(localStorage.getItem(key));
        if (!(told.at > Date.now() - KEPT)) localStorage.removeItem(key);
        else if (key.startsWith(`pp-upload ${draft} `)) found.push(told);
      }
    } catch { /* as above */ }
    return found;
  },
};

function pause(file, seconds) {
  return new Promise((go) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      file.wake = null;
      go();
    };
    const timer = setTimeout(end, seconds * 1000);
    window.addEventListener("online", end);
    file.wake = end;
  });
}

function renewed(draft) {
  const old = draft.grant;
  return new Promise((go) => {
    const timer = setTimeout(() => go(false), 20000);
    draft.waiting.push(() => {
      clearTimeout(timer);
      go(draft.grant !== old);
    });
    if (draft.view) draft.view.trigger("renew", String(Date.now()));
  });
}

async function begin(draft, file) {
  const headers = { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": `filename ${base64(file.name)}` };
  const call = await ask(file, "POST", `${draft.address}/api/media/resumable`, { ...headers, Authorization: `Bearer ${draft.grant}` });
  if (call.status === 201) {
    file.secret = header(call, "Location").split("/").pop();
    file.offset = 0;
    memory.put(draft.key, file);
  }
  return call;
}

const place = (draft, file) => `${draft.address}/api/media/uploads/${file.secret}`;

async function step(draft, file) {
  if (!file.secret) return begin(draft, file);
  if (file.unsure) {
    const call = await ask(file, "HEAD", place(draft, file), TUS);
    if (call.status === 404) {
      memory.drop(draft.key, file);
      file.secret = "";
      file.unsure = false;
    } else if (offsetOf(call) !== null) {
      file.offset = offsetOf(call);
      file.unsure = false;
    }
    return call;
  }
  const from = file.offset;
  const call = await ask(file, "PATCH", place(draft, file),
    { ...TUS, "Upload-Offset": String(from), "Content-Type": "application/offset+octet-stream" },
    file.source.slice(from, from + PIECE), (sent) => { file.shown = from + sent; paint(draft); });
  if (offsetOf(call) !== null) file.offset = offsetOf(call);
  if (call.status === 204) file.done = file.offset >= file.size;
  return call;
}

async function send(draft, file) {
  let tries = 0;
  let renewals = 0;
  file.state = "sending";
  file.unsure = Boolean(file.secret);
  while (file.state === "sending" && !file.done) {
    let call = null;
    const before = file.offset;
    try {
      call = await step(draft, file);
    } catch (error) {
      if (error.message === "stopped") break;
    }
    if (file.state !== "sending") break;
    const status = call ? call.status : 0;
    if (file.offset > before) tries = 0;
    if (status === 200 || status === 201 || status === 204 || (status === 404 && !file.unsure && !file.secret)) {
      file.lost = false;
    } else if (status === 401 && renewals < 2) {
      renewals += 1;
      if (!(await renewed(draft))) return fail(draft, file, "Load the page again, then choose the file again.");
    } else if (status === 409 && !file.secret) {
      return fail(draft, file, sentence(call) || "Too many uploads are open.", true);
    } else if (status === 0 || status === 408 || status === 409 || status === 429 || status >= 500) {
      file.lost = status === 0;
      file.unsure = Boolean(file.secret);
      paint(draft);
      tries += 1;
      if (status === 503 && tries > 5) return fail(draft, file, sentence(call) || "The server is too busy. Try again later.", true);
      await pause(file, Math.min(LONGEST_PAUSE, Math.max(2 ** Math.min(tries, 5) / 2, Number(header(call || { getResponseHeader: () => "" }, "Retry-After")) || 0)));
    } else {
      const again = status === 460 || /would take more than/.test(sentence(call));
      if (!again) memory.drop(draft.key, file);
      return fail(draft, file, sentence(call) || `The server answered with status ${status}.`, again);
    }
    file.shown = file.offset;
    paint(draft);
  }
  if (!file.done) return undefined;
  memory.drop(draft.key, file);
  draft.files = draft.files.filter((one) => one !== file);
  say(draft, `${file.name} was added.`);
  if (draft.view) draft.view.trigger("arrived", file.secret.slice(-8) + String(Date.now()));
  return undefined;
}

function fail(draft, file, why, again) {
  file.state = "failed";
  file.why = why;
  file.again = Boolean(again);
  say(draft, `${file.name} was not added: ${why}`);
}

// Two tabs with the same draft do not send the same upload; where there are no locks the server says so.
function alone(draft, file, act) {
  if (!navigator.locks) return act();
  return navigator.locks.request(memory.name(draft.key, file), { ifAvailable: true }, (lock) => {
    if (lock) return act();
    return fail(draft, file, "It is being uploaded in another tab.", true);
  });
}

function next(draft) {
  const running = draft.files.filter((file) => file.state === "sending").length;
  const waiting = draft.files.filter((file) => file.state === "waiting");
  for (const file of waiting.slice(0, Math.max(0, AT_ONCE - running))) {
    file.state = "sending";
    alone(draft, file, () => send(draft, file)).finally(() => { paint(draft); next(draft); });
  }
  paint(draft);
}

function take(draft, chosen, data) {
  for (const source of chosen) {
    const about = { name: source.name, size: source.size, changed: source.lastModified };
    const known = draft.files.find((file) => file.name === about.name && file.size === about.size && file.changed === about.changed);
    if (known && known.source && known.state !== "failed") continue;
    const file = known || { ...about, offset: 0, shown: 0, secret: "" };
    Object.assign(file, { source, state: "waiting", why: "", done: false });
    if (!known) draft.files.push(file);
    const others = draft.files.filter((one) => one !== file && one.state !== "failed").length;
    if (!known && others >= data.room) fail(draft, file, `A post has at most ${data.most_files} files.`);
    else if (file.size > data.most) fail(draft, file, `It is larger than ${megabytes(data.most)}, the most that your accounts take.`);
    else if (!file.size) fail(draft, file, "The file is empty. Choose another one.");
  }
  next(draft);
}

function stop(file, state) {
  file.state = state;
  if (file.call) file.call.abort();
  if (file.wake) file.wake();
}

function cancel(draft, file) {
  stop(file, "cancelled");
  draft.files = draft.files.filter((one) => one !== file);
  memory.drop(draft.key, file);
  if (file.secret) ask({}, "DELETE", place(draft, file), TUS).catch(() => undefined); // else it ends by itself
  say(draft, `${file.name} was cancelled.`);
  next(draft);
}

function say(draft, text) {
  if (draft.view) draft.view.status.textContent = text;
}

function words(file) {
  if (file.state === "failed") return file.why;
  const percent = Math.floor((100 * Math.min(file.shown, file.size)) / file.size);
  if (file.state === "away") return "Interrupted. Choose the same file again to continue.";
  if (file.state === "paused") return `Paused at ${percent}%`;
  if (file.state === "waiting") return "Waiting …";
  if (file.lost) return `Connection lost at ${percent}%. Trying again …`;
  if (file.shown >= file.size) return "Checking the file …";
  return `${percent}% of ${megabytes(file.size)}`;
}

function make(kind, className, text) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function button(row, label, name, act) {
  const made = make("button", "", label);
  made.type = "button";
  made.setAttribute("aria-label", `${label} ${name}`);
  made.onclick = act;
  row.append(made);
}

function row(draft, file, view) {
  const made = make("li", file.state === "failed" ? "failed" : "");
  const line = make("div", "line");
  line.append(make("span", "name", file.name), make("span", "words", words(file)));
  made.append(line);
  if (file.state !== "failed") {
    const bar = make("progress");
    bar.max = file.size;
    bar.value = Math.min(file.shown, file.size);
    bar.setAttribute("aria-label", `Upload of ${file.name}`);
    line.after(bar);
  }
  const acts = make("div", "acts");
  if (file.state === "sending" && file.shown < file.size) button(acts, "Pause", file.name, () => { stop(file, "paused"); next(draft); });
  if (file.state === "paused") button(acts, "Resume", file.name, () => { file.state = "waiting"; next(draft); });
  if (file.state === "away") button(acts, "Choose", file.name, () => view.input.click());
  if (file.state === "failed" && file.again && file.source) button(acts, "Try again", file.name, () => { file.state = "waiting"; next(draft); });
  button(acts, file.state === "failed" ? "Dismiss" : "Cancel", file.name, () => cancel(draft, file));
  made.append(acts);
  return made;
}

// Rows are made anew only when something but their progress has changed, so that a button that has the focus keeps it.
function paint(draft) {
  const view = draft.view;
  if (!view) return;
  const now = draft.files.map((file) => `${file.name} ${file.state} ${file.shown < file.size} ${file.why || ""}`).join("\n");
  if (view.drawn !== now) {
    const focused = view.root.activeElement && view.root.activeElement.getAttribute("aria-label");
    view.list.replaceChildren(...draft.files.map((file) => row(draft, file, view)));
    view.drawn = now;
    const back = focused && [...view.list.querySelectorAll("button")].find((one) => one.getAttribute("aria-label").split(" ").slice(1).join(" ") === focused.split(" ").slice(1).join(" "));
    if (back) back.focus();
  }
  draft.files.forEach((file, index) => {
    const at = view.list.children[index];
    at.querySelector(".words").textContent = words(file);
    const bar = at.querySelector("progress");
    if (bar) bar.value = Math.min(file.shown, file.size);
  });
}

// What a reload has interrupted, unless another tab is sending it.
async function interrupted(draft) {
  const sending = navigator.locks ? (await navigator.locks.query()).held.map((lock) => lock.name) : [];
  for (const told of memory.all(draft.key)) {
    if (draft.files.some((file) => file.secret === told.secret) || sending.includes(memory.name(draft.key, told))) continue;
    const file = { ...told, offset: 0, shown: 0, state: "away" };
    draft.files.push(file);
    ask(file, "HEAD", place(draft, file), TUS).then((call) => {
      const whole = offsetOf(call) !== null && offsetOf(call) >= file.size;
      if (call.status === 404 || (whole && header(call, "Location"))) {
        memory.drop(draft.key, file);
        draft.files = draft.files.filter((one) => one !== file);
        if (call.status !== 404 && draft.view) draft.view.trigger("arrived", told.secret.slice(-8) + String(Date.now()));
      } else if (whole) { // its bytes are there; only what is made of them is missing, and no byte has to be read for that
        Object.assign(file, { source: new Blob(), state: "waiting", shown: file.size });
        next(draft);
      } else if (offsetOf(call) !== null) file.shown = file.offset = offsetOf(call);
      paint(draft);
    }, () => undefined);
  }
  paint(draft);
}

window.addEventListener("beforeunload", (event) => {
  const open = [...drafts.values()].some((draft) => draft.files.some((file) => file.state === "sending" || file.state === "waiting"));
  if (open) event.preventDefault();
});

export default function uploader(component) {
  const { parentElement, data, setTriggerValue } = component;
  const draft = of(data.draft);
  const root = parentElement.getRootNode();
  const find = (name) => parentElement.querySelector(name);
  draft.address = data.address;
  if (draft.grant !== data.grant) {
    draft.grant = data.grant;
    draft.waiting.splice(0).forEach((go) => go());
  }
  const input = find("input");
  const choose = find(".choose");
  const zone = find(".zone");
  const first = !draft.view || draft.view.list !== find("ul");
  if (first) draft.view = { root: root.activeElement !== undefined ? root : document, list: find("ul"), status: find(".status"), input, drawn: null };
  draft.view.trigger = setTriggerValue;
  find(".hint").textContent = data.may ? `or drop them here. Up to ${megabytes(data.most)} each.` : data.why;
  choose.disabled = input.disabled = !data.may;
  input.accept = data.types;
  choose.onclick = () => input.click();
  input.onchange = () => {
    take(draft, [...input.files], data);
    input.value = "";
  };
  zone.ondragover = (event) => {
    event.preventDefault();
    zone.classList.toggle("over", data.may);
  };
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (data.may) take(draft, [...event.dataTransfer.files], data);
  };
  if (first && data.may) interrupted(draft);
  paint(draft);
  return () => {
    if (draft.view && draft.view.list === find("ul")) draft.view = null;
  };
}
