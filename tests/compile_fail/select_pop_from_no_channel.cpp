// SPDX-License-Identifier: BSL-1.0
// expect: coir::on_pop: the first argument must be a channel or a queue
#include <coir/sync/select.hpp>

void misuse(coir::event& e) {
    coir::select(coir::on_pop(e, [](int) {}));
}
