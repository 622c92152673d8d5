// SPDX-License-Identifier: BSL-1.0
#include "page.hpp"

std::string_view const page_html = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>coir server</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #222; }
  h1 { font-weight: 600; }
  dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem; }
  dl div { border: 1px solid #ddd; border-radius: .5rem; padding: .75rem 1rem; }
  dt { color: #666; font-size: .85rem; }
  dd { margin: 0; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
  code { background: #f4f4f4; padding: .1rem .3rem; border-radius: .25rem; }
  #state { color: #a00; min-height: 1.5em; }
</style>
</head>
<body>
<h1>coir</h1>
<dl>
  <div><dt>workers</dt><dd id="workers">-</dd></div>
  <div><dt>tasks</dt><dd id="tasks">-</dd></div>
  <div><dt>connections</dt><dd id="connections">-</dd></div>
  <div><dt>requests</dt><dd id="requests">-</dd></div>
  <div><dt>requests a second</dt><dd id="requests_per_second">-</dd></div>
  <div><dt>uptime in seconds</dt><dd id="uptime">-</dd></div>
</dl>
<p id="state" data-refreshes="0"></p>
<p>Also here: <code>/plaintext</code> <code>/json</code> <code>POST /echo</code> <code>/sleep?ms=1000</code>
<code>/hash?mb=64</code> <code>POST /gzip</code> <code>/crash</code> <code>/files/&hellip;</code> <code>/stats</code></p>
<script>
const names = ["workers", "tasks", "connections", "requests", "requests_per_second", "uptime"];
const state = document.getElementById("state");
async function refresh() {
  try {
    const answer = await fetch("/stats", { cache: "no-store" });
    const stats = await answer.json();
    for (const name of names) document.getElementById(name).textContent = stats[name].toLocaleString("en");
    state.textContent = "";
    state.dataset.refreshes++;
  } catch (error) {
    state.textContent = "The server does not answer.";
  }
  setTimeout(refresh, 500);
}
refresh();
</script>
</body>
</html>
)html";
