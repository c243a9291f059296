// The operator's key. It lives in this browser's database as a CryptoKey that cannot be taken out, and signs here.
// What is signed, and how: docs/mqtt.md (Ed25519 over the UTF-8 bytes of the command's JSON text).

const DATABASE = "cathlink", STORE = "keys", SLOT = "mine";
const NONCE_BYTES = 16, COMMAND_LIFE_MS = 120000;

function store(mode, action) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const request = action(opening.result.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    };
  });
}

/** { privateKey, publicKey (base64), keyId }, or undefined. */
export const myKey = () => store("readonly", (keys) => keys.get(SLOT));
export const forgetKey = () => store("readwrite", (keys) => keys.delete(SLOT));

async function keep(privateKey, raw) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  const keyId = [...digest.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const key = { privateKey, publicKey: btoa(String.fromCharCode(...raw)), keyId };
  await store("readwrite", (keys) => keys.put(key, SLOT));
  return key;
}

export async function makeKey() {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  return keep(pair.privateKey, new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
}

/** `pem`: PKCS 8 without a password. Throws when it is none. */
export async function importKey(pem) {
  const body = pem.match(/-----BEGIN PRIVATE KEY-----([\s\S]+?)-----END PRIVATE KEY-----/)[1];
  const der = Uint8Array.from(atob(body.replace(/\s/g, "")), (character) => character.charCodeAt(0));
  const readable = await crypto.subtle.importKey("pkcs8", der, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", readable);
  const privateKey = await crypto.subtle.importKey("pkcs8", der, "Ed25519", false, ["sign"]);
  return keep(privateKey, fromBase64url(x));
}

/** The text of a message that `device` may take: { signed, signatures }. */
export async function signedCommand(key, { device, command, args, role, challenge }) {
  const now = Date.now();
  const text = JSON.stringify({
    type: "command", device, command, arguments: args, role, challenge,
    nonce: toBase64url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES))),
    issued: new Date(now).toISOString(), expires: new Date(now + COMMAND_LIFE_MS).toISOString(),
  });
  const signature = await crypto.subtle.sign("Ed25519", key.privateKey, new TextEncoder().encode(text));
  return JSON.stringify({ signed: text, signatures: [{ key_id: key.keyId, signature: toBase64url(new Uint8Array(signature)) }] });
}

function toBase64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64url(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
