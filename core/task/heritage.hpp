// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: what few tasks have, beside what stands in task_extra.

#include <coir/core/task/context.hpp>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace coir::detail {

/// The values of context variables. Never changed once it is shared: a set() makes a new one.
struct context_values {
    struct entry {
        std::uint64_t id;
        std::shared_ptr<void const> value;
    };
    std::vector<entry> entries;
};

/// The objects of fiber_local variables.
struct local_values {
    struct entry {
        std::uint64_t id;
        local_ptr object;
    };
    std::vector<entry> entries;
};

}  // namespace coir::detail
