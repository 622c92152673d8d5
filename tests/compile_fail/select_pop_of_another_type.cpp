// SPDX-License-Identifier: BSL-1.0
// expect: coir::on_pop: f must be callable as f(item)
#include <coir/sync/channel.hpp>
#include <coir/sync/select.hpp>
#include <string>

void misuse(coir::channel<int>& ch) {
    coir::select(coir::on_pop(ch, [](std::string) {}));
}
