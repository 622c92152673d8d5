// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "bench/support/paired.hpp"

#include <oneapi/tbb/task_arena.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace bench {

/// The competitor "oneTBB <threads>": `slice(units)` inside of an arena of so many threads, the caller among them.
template <class Slice>
competitor in_onetbb_arena(unsigned threads, Slice slice) {
    auto const arena = std::make_shared<oneapi::tbb::task_arena>(static_cast<int>(threads));
    return {"oneTBB " + std::to_string(threads), [arena, slice = std::move(slice)](std::uint64_t units) {
                return arena->execute([&slice, units] { return slice(units); });
            }};
}

}  // namespace bench
