// An image lights up in every row of the chart that shows images one by one.
document.querySelectorAll("svg .dot[data-i]").forEach((dot) => {
  const same = () => document.querySelectorAll(`svg .dot[data-i="${CSS.escape(dot.dataset.i)}"]`);
  dot.addEventListener("mouseenter", () => same().forEach((one) => one.classList.add("lit")));
  dot.addEventListener("mouseleave", () => same().forEach((one) => one.classList.remove("lit")));
});
