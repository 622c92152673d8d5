// SPDX-License-Identifier: BSL-1.0
// expect: coir::on_ready of an event: f must be callable as f()
#include <coir/sync/select.hpp>

void misuse(coir::event& e) {
    coir::select(coir::on_ready(e, [](bool) {}));
}
