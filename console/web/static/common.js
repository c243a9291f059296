// What every page uses: its words, who is signed in, elements, times, and the stream of what is new.

export const texts = JSON.parse(document.getElementById("texts").textContent);
export const user = JSON.parse(document.getElementById("user").textContent);

const SILENCE_LIMIT_MS = 25000;  // the server says something every 10 s

/** An element with attributes and children (text or elements); text is never read as HTML. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export function localTime(moment) {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
}

export function word(key) {
  return texts[key] ?? key;
}

export async function post(address, body) {
  const response = await fetch(address, { method: "POST", body, headers: { "x-token": user.token } });
  const answer = response.headers.get("content-type")?.includes("json") ? await response.json() : {};
  if (!response.ok) throw new Error(answer.problem ?? `${response.status}`);
  return answer;
}

export function sayOld(text) {
  const note = document.getElementById("old");
  note.hidden = !text;
  note.textContent = text;
}

/** Calls `take` with each piece of news, for as long as the page lives. Says so when what the page shows is old. */
export function follow(query, take) {
  let version = 0;
  let heard = Date.now();
  let brokerProblem = "";
  const source = () => {
    const stream = new EventSource(`/api/stream?version=${version}&${query}`);
    stream.onmessage = (message) => {
      heard = Date.now();
      const news = JSON.parse(message.data);
      version = news.version ?? version;
      if (news.broker_problem !== undefined) brokerProblem = news.broker_problem;
      sayOld(brokerProblem ? texts.broker_lost : "");
      take(news);
    };
    stream.onerror = () => {
      stream.close();
      sayOld(texts.page_lost);
      setTimeout(source, 1000);
    };
  };
  source();
  setInterval(() => { if (Date.now() - heard > SILENCE_LIMIT_MS) sayOld(texts.page_lost); }, 1000);
}
