// Moments that the server wrote as seconds, in the reader's own time.
import { localTime } from "./common.js";

for (const time of document.querySelectorAll("time[data-seconds]")) {
  time.textContent = localTime(time.dataset.seconds * 1000);
}
