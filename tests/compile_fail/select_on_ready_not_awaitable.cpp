// SPDX-License-Identifier: BSL-1.0
// expect: coir: only a task, a future, a shared_future, or what is callable without arguments can be awaited
#include <coir/sync/select.hpp>

void misuse() {
    coir::select(coir::on_ready(5, [] {}));
}
