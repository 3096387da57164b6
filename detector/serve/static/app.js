// The list of clips: sends files, shows rows, keeps them up to date by server-sent events.
// Names are texts of strangers: they only ever become text nodes.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const words = JSON.parse($("words").textContent);
  const csrf = document.querySelector('meta[name="csrf-token"]').content;
  const SENDING_AT_ONCE = 2;
  const list = $("list");
  const rows = new Map(); // id -> {element, clip}
  const chosen = []; // ids, at most two
  const waiting = []; // {file, row}
  let sending = 0;
  let oldest = null;

  const say = (key, values = {}) =>
    (words[key] || key).replace(/\{([a-z]+)\}/g, (_, name) => String(values[name]));
  const number = (value, digits) => value.toFixed(digits).replace(".", words["decimal-mark"]);
  const ask = (method, path, body) => fetch(path, {
    method,
    headers: { "X-CSRF-Token": csrf, ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });

  const problem = (message) => {
    $("trouble").textContent = message;
    $("trouble").hidden = !message;
  };

  const asked = async (method, path, body) => {
    try {
      const answer = await ask(method, path, body);
      if (answer.ok) return answer;
      const said = await answer.json().catch(() => null);
      problem(said && said.error ? said.error.message : String(answer.status));
    } catch {
      problem(words["connection-lost"]);
    }
    return null;
  };

  const makeRow = (name) => {
    const element = $("row").content.firstElementChild.cloneNode(true);
    element.querySelector(".name").textContent = name;
    element.querySelector("progress").setAttribute("aria-label", say("progress-of", { name }));
    element.querySelectorAll(".actions a, .actions button, .pick input").forEach((control) => {
      const what = (control.matches("input") ? control.parentElement : control).textContent.trim();
      control.setAttribute("aria-label", `${what} ${say("of-clip", { name })}`);
    });
    return element;
  };

  const progress = (element, share) => {
    const bar = element.querySelector("progress");
    bar.hidden = share === null;
    if (share !== null) bar.value = share;
  };

  const verdictOf = (clip) => {
    if (clip.state === "working") {
      const step = clip.progress;
      return step ? `${say("state-working")}: ${say(`step-${step.stage}`, step)}` : say("state-working");
    }
    if (clip.state === "error") return `${say("label-error")}: ${clip.error_code}`;
    return clip.state === "done" ? say(`label-${clip.label}`) : say(`state-${clip.state}`);
  };

  const factsOf = (clip) => {
    const facts = [];
    if (clip.duration_seconds !== null) facts.push(say("duration", { seconds: number(clip.duration_seconds, 1) }));
    if (clip.width) facts.push(`${clip.width} × ${clip.height}`);
    facts.push(new Date(clip.created).toLocaleString(document.documentElement.lang));
    if (clip.reviewed_as) facts.push(say("label-now", { label: say(`review-${clip.reviewed_as}`) }));
    if (!clip.has_video) facts.push(say("no-video"));
    if (clip.state === "error") facts.push(clip.error_message);
    return facts.join(" · ");
  };

  const fill = (row, clip) => {
    const { element } = row;
    const over = !["queued", "working"].includes(clip.state);
    element.className = `clip ${clip.state} ${clip.label || ""}`;
    element.querySelector(".what").textContent = verdictOf(clip);
    element.querySelector(".figure").textContent =
      clip.score === null ? "" : say("score-of", { score: number(clip.score, 2) });
    element.querySelector(".more-facts").textContent = factsOf(clip);
    progress(element, over ? null : clip.progress ? clip.progress.share : 0);
    const show = (selector, on) => { element.querySelector(selector).hidden = !on; };
    show(".cancel", !over);
    show(".delete", over);
    show(".label", over && clip.sha256 !== null);
    show(".pick", clip.state === "done");
    const has = clip.state === "done" || clip.state === "error";
    for (const [selector, path] of [[".report", "report"], [".html", "report.html"], [".json", "report.json"]]) {
      show(selector, has);
      const base = selector === ".json" ? "/api/clips" : "/clips";
      if (has) element.querySelector(selector).href = `${base}/${clip.id}/${path}`;
    }
    const thumb = element.querySelector(".thumb");
    if (clip.has_picture && !thumb.firstChild) {
      const image = new Image();
      image.alt = "";
      image.loading = "lazy";
      image.addEventListener("error", () => image.remove());
      image.src = `/api/clips/${clip.id}/thumbnail.jpg`;
      thumb.append(image);
    }
    if (row.clip && !["done", "error"].includes(row.clip.state) && ["done", "error"].includes(clip.state)) {
      $("live").textContent = say("announce-done", { name: clip.name, result: verdictOf(clip) });
    }
    row.clip = clip;
  };

  const wire = (row, id) => {
    const on = (selector, event, act) => row.element.querySelector(selector).addEventListener(event, act);
    on(".cancel", "click", () => asked("POST", `/api/clips/${id}/cancel`));
    on(".delete", "click", () => remove(row.clip));
    on(".label", "click", () => label(row.clip));
    on(".pick input", "change", (event) => {
      const at = chosen.indexOf(id);
      if (event.target.checked && at < 0) chosen.push(id);
      if (!event.target.checked && at >= 0) chosen.splice(at, 1);
      if (chosen.length > 2) rows.get(chosen.shift()).element.querySelector(".pick input").checked = false;
      $("compare").disabled = chosen.length !== 2;
    });
  };

  const put = (clip, element) => {
    let row = rows.get(clip.id);
    if (!row) {
      row = { element: element || makeRow(clip.name), clip: null };
      rows.set(clip.id, row);
      row.element.dataset.id = clip.id;
      row.element.dataset.number = clip.number;
      wire(row, clip.id);
      if (!element) {
        const next = [...list.children].find((other) => Number(other.dataset.number || Infinity) < clip.number);
        list.insertBefore(row.element, next || null);
      }
    } else if (element) {
      element.remove(); // its event came before the answer
    }
    fill(row, clip);
    $("none").hidden = true;
  };

  const take = (id) => {
    const row = rows.get(id);
    if (!row) return;
    row.element.remove();
    rows.delete(id);
    const at = chosen.indexOf(id);
    if (at >= 0) chosen.splice(at, 1);
    $("compare").disabled = chosen.length !== 2;
    $("none").hidden = list.children.length > 0;
  };

  const load = async (before) => {
    const answer = await asked("GET", `/api/clips?most=100${before ? `&before=${before}` : ""}`);
    if (!answer) return;
    const part = await answer.json();
    part.clips.forEach((clip) => put(clip));
    oldest = part.more_before;
    $("more").hidden = oldest === null;
    $("none").hidden = list.children.length > 0;
    document.documentElement.dataset.ready = "yes";
  };

  const listen = () => {
    const events = new EventSource("/api/events");
    events.onmessage = (message) => {
      const event = JSON.parse(message.data);
      if (event.type === "clip") put(event.clip);
      if (event.type === "deleted") take(event.id);
      if (event.type === "hello" || event.type === "again") {
        problem("");
        load();
        status();
      }
    };
    events.onerror = () => {
      problem(words["connection-lost"]);
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
  };

  const status = async () => {
    const answer = await asked("GET", "/api/status");
    const now = answer && await answer.json();
    if (now && now.trouble) problem(say("trouble", { message: now.trouble }));
  };

  const state = (element, text) => { element.querySelector(".what").textContent = text; };
  const refuse = (element, message) => {
    element.className = "clip refused";
    state(element, say("state-refused"));
    element.querySelector(".more-facts").textContent = message;
    progress(element, null);
  };

  const answered = (request, element) => {
    let said = null;
    try { said = JSON.parse(request.responseText); } catch { /* no answer of ours */ }
    if (said && said.clips && said.clips.length) put(said.clips[0], element);
    else if (said && said.refused && said.refused.length) refuse(element, said.refused[0].message);
    else refuse(element, said && said.error ? said.error.message : words["connection-lost"]);
  };

  const send = ({ file, element }) => {
    sending += 1;
    const request = new XMLHttpRequest();
    request.open("POST", "/api/clips");
    request.setRequestHeader("X-CSRF-Token", csrf);
    request.upload.onprogress = (event) => {
      const share = event.total ? event.loaded / event.total : 0;
      progress(element, share);
      state(element, say("state-uploading", { percent: Math.round(100 * share) }));
    };
    request.onloadend = () => {
      sending -= 1;
      if (request.status === 429 || request.status === 503) {
        const seconds = Number(request.getResponseHeader("Retry-After") || 5);
        state(element, say("state-waiting-to-send"));
        setTimeout(() => { waiting.unshift({ file, element }); next(); }, 1000 * seconds);
      } else {
        answered(request, element);
      }
      next();
    };
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  };

  const next = () => {
    while (sending < SENDING_AT_ONCE && waiting.length) send(waiting.shift());
  };

  const add = (files) => {
    for (const file of files) {
      // Characters that turn the direction of writing could make a name look like another.
      const element = makeRow(file.name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{FFFD}"));
      state(element, say("state-waiting-to-send"));
      progress(element, 0);
      list.prepend(element);
      waiting.push({ file, element });
    }
    $("none").hidden = list.children.length > 0;
    next();
  };

  const dialog = (id, name, done) => {
    const box = $(id);
    box.querySelector(".name").textContent = name;
    box.returnValue = "";
    box.onclose = () => done(box.returnValue, box.querySelector("form"));
    box.showModal();
  };
  const remove = (clip) => dialog("delete-dialog", clip.name, (value) => {
    if (value === "delete") asked("DELETE", `/api/clips/${clip.id}`);
  });
  const label = (clip) => {
    const form = $("label-dialog").querySelector("form");
    form.reset();
    const now = form.querySelector(`input[value="${clip.reviewed_as}"]`);
    if (now) now.checked = true;
    dialog("label-dialog", clip.name, (value) => {
      if (value === "save") asked("POST", `/api/clips/${clip.id}/label`, Object.fromEntries(new FormData(form)));
    });
  };

  const drop = $("drop");
  const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (!hasFiles(event)) return;
    event.preventDefault();
    add(event.dataTransfer.files);
  });
  $("files").addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
  $("more").addEventListener("click", () => load(oldest));
  $("compare").addEventListener("click", () => {
    location.href = `/compare?a=${chosen[0]}&b=${chosen[1]}`;
  });
  listen();
})();
