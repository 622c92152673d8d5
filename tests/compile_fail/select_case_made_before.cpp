// SPDX-License-Identifier: BSL-1.0
// expect: coir::select: a case serves one call, and is made in it
#include <coir/sync/channel.hpp>
#include <coir/sync/select.hpp>

void misuse(coir::channel<int>& ch) {
    auto next = coir::on_pop(ch, [](int) {});
    coir::select(next);
}
