// SPDX-License-Identifier: BSL-1.0
// expect: coir::on_ready: f must be callable as f(result)
#include <coir/sync/select.hpp>

void misuse(coir::task<int>& t) {
    coir::select(coir::on_ready(t, [] {}));
}
