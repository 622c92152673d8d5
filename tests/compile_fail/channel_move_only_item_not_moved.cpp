// SPDX-License-Identifier: BSL-1.0
// expect: coir: the item cannot be copied: pass it with std::move
#include <coir/sync/channel.hpp>
#include <memory>

void misuse(coir::channel<std::unique_ptr<int>>& ch, std::unique_ptr<int> p) {
    ch.push(p);
}
