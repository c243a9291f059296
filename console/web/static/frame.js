// What stands around every page.
import { post } from "./common.js";

document.getElementById("sign-out").addEventListener("click", async () => {
  await post("/sign-out", "").catch(() => {});
  location.assign("/sign-in");
});
