// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a suspended task waits for, in the words of a report.

#include <cstdint>

namespace coir::detail {

struct wait_kind {
    /// As in "waits for <text>": "a mutex", "the end of a task".
    char const* text;
    /// The id of the task on which the object depends: the holder of a mutex, the awaited task; 0 if nobody can say. Called
    /// while every task of the runtime is suspended. Null: nobody ever can.
    std::uint64_t (*depends_on)(void const* object) noexcept = nullptr;
    /// What that task is to the object, as in "a mutex, held by".
    char const* relation = "namely";
};

inline constexpr wait_kind k_waits_for_something{"something"};

/// And the object, if its address tells anybody something.
struct wait_subject {
    wait_kind const* kind = &k_waits_for_something;
    void const* object = nullptr;
};

}  // namespace coir::detail
