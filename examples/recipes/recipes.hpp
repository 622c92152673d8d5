// SPDX-License-Identifier: BSL-1.0
#pragma once

// Small programs that one writes in the first week. docs/recipes.md shows them.

namespace recipes {

void fetch_many();
void chat();
void pipeline();
void offload();
void parallel();
void rate_limit();
void failures();
void choose();
void shared_state();
void find_a_race();
void http_server();

}  // namespace recipes
