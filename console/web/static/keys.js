// The page on which an operator makes, takes or forgets a key.
import { element, texts, user } from "./common.js";
import { forgetKey, importKey, makeKey, myKey } from "./signing.js";

const place = document.getElementById("key");
const problem = document.getElementById("key-problem");

async function show() {
  const key = await myKey();
  if (!key) {
    place.replaceChildren(element("p", {}, texts.key_none));
    return;
  }
  const line = `[[operator]]\nname = "${user.name}"\nrole = "${user.role === "viewer" ? "operator" : user.role}"\nkey = "${key.publicKey}"\n`;
  const forget = element("button", { type: "button" }, texts.key_forget);
  forget.addEventListener("click", async () => { await forgetKey(); await show(); });
  place.replaceChildren(element("p", {}, `${texts.key_here} `, element("code", { id: "key-id" }, key.keyId)),
    element("p", {}, texts.key_line), element("pre", { tabindex: "0" }, line), forget);
}

async function attempt(action) {
  problem.hidden = true;
  try {
    await action();
  } catch {
    problem.hidden = false;
    problem.textContent = texts.key_failed;
  }
  await show();
}

document.getElementById("key-make").addEventListener("click", () => attempt(makeKey));
document.getElementById("key-file").addEventListener("change", (event) =>
  attempt(async () => importKey(await event.target.files[0].text())));
show();
