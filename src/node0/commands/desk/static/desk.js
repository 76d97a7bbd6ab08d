// SPDX-License-Identifier: Apache-2.0
// Keys of the review queue, and what a refused request says. The pages work without this too.
(() => {
  "use strict";
  let at = 0;

  const cards = () => [...document.querySelectorAll("#queue .card")];

  const mark = (place) => {
    at = place;
    cards().forEach((card, number) => card.classList.toggle("chosen", number === at));
    document.querySelectorAll(".armed").forEach((button) => button.classList.remove("armed"));
  };

  const choose = (place) => {
    const found = cards();
    if (!found.length) return;
    mark(Math.min(Math.max(place, 0), found.length - 1));
    found[at].focus({ preventScroll: true });
    found[at].scrollIntoView({ block: "nearest" });
  };

  const decide = (key) => {
    const button = cards()[at]?.querySelector(`button[data-key="${key}"]`);
    if (!button || button.disabled) return;
    if (button.dataset.twice && !button.classList.contains("armed")) {
      choose(at);
      button.classList.add("armed");
      say(button.dataset.twice);
      return;
    }
    button.click();
  };

  const say = (text) => {
    document.getElementById("said").textContent = text;
    document.querySelectorAll("#queue button").forEach((button) => { button.disabled = false; });
  };

  const types = (target) => target.closest("input, select, textarea") !== null;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || types(event.target)) return;
    if (event.key === "j") choose(at + 1);
    else if (event.key === "k") choose(at - 1);
    else if (["a", "r", "d"].includes(event.key)) decide(event.key);
    else return;
    event.preventDefault();
  });

  // Keys decide about the card that a click or the tabulator went to.
  document.addEventListener("focusin", (event) => {
    const place = cards().indexOf(event.target.closest(".card"));
    if (place >= 0 && place !== at) mark(place);
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    event.target.querySelectorAll("button").forEach((button) => { button.disabled = true; });
  });

  document.addEventListener("htmx:afterSettle", () => choose(at));

  document.addEventListener("htmx:responseError", (event) => say(event.detail.xhr.responseText));
  document.addEventListener("htmx:sendError", () => say("the desk does not answer; is node0 desk at work?"));

  choose(0);
})();
