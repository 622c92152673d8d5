// SPDX-License-Identifier: BSL-1.0
// expect: coir::on_push: the value cannot be made an item
#include <coir/sync/channel.hpp>
#include <coir/sync/select.hpp>

void misuse(coir::channel<int>& ch) {
    coir::select(coir::on_push(ch, "text", [] {}));
}
