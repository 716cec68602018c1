// Dark, light, or as the system says. The choice outlives the tab: it is no secret.

const PLACE = "iron-proxy colours";
const ORDER = ["auto", "dark", "light"];

export function setUpColours(button) {
  let chosen = ORDER.indexOf(localStorage.getItem(PLACE) ?? "auto");
  const apply = () => {
    const name = ORDER[chosen] ?? "auto";
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.textContent = name;
    button.setAttribute("aria-label", `Colours: ${name === "auto" ? "as the system" : name}`);
  };
  button.addEventListener("click", () => {
    chosen = (Math.max(chosen, 0) + 1) % ORDER.length;
    localStorage.setItem(PLACE, ORDER[chosen]);
    apply();
  });
  apply();
}
