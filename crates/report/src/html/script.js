// Filters and copy buttons. Without it the page says the same.
(function () {
  document.documentElement.classList.add("js");
  var rows = Array.prototype.slice.call(document.querySelectorAll(".finding"));
  var team = document.getElementById("filter-team"), sign = document.getElementById("filter-sign");
  var text = document.getElementById("filter-text"), count = document.getElementById("filter-count");
  var rest = document.querySelector(".rest");
  function apply() {
    var words = text.value.toLowerCase(), shown = 0;
    rows.forEach(function (row) {
      var fits = (!team.value || row.dataset.team === team.value) && (!sign.value || row.dataset.sign === sign.value) &&
        (!words || row.textContent.toLowerCase().indexOf(words) >= 0);
      row.hidden = !fits;
      if (fits) { shown += 1; }
    });
    var filtered = team.value || sign.value || words;
    count.textContent = filtered ? shown + " of " + rows.length + " shown" : "";
    if (rest && filtered) { rest.open = true; }
  }
  if (team && sign && text && count) {
    [team, sign].forEach(function (box) { box.addEventListener("change", apply); });
    text.addEventListener("input", apply);
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest(".copy button");
    if (!button || !navigator.clipboard) { return; }
    navigator.clipboard.writeText(button.parentNode.querySelector("pre").textContent).then(function () {
      button.textContent = "copied";
      setTimeout(function () { button.textContent = "copy"; }, 1500);
    });
  });
})();
